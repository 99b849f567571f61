/** What the real cluster's Patroni and etcd are told. */
import { join } from "node:path";
import {
  CLIENT_ADDRESS,
  POSTGRES_HOSTS,
  type PostgresName,
  PREFIX_LENGTH,
  REST_PORT,
  SERVICE_PORT,
} from "./articleNetwork.ts";

export const SCOPE = "article";
const ETCD_PORT = 2379;

/** Patroni's own three times. */
export interface PatroniTimings {
  readonly ttlSec: number;
  readonly loopWaitSec: number;
  readonly retryTimeoutSec: number;
}

/**
 * A guest that is short of processor time must not demote its primary by itself (a round of the loop costs each Patroni and
 * etcd a third of an emulated processor), and a switchover waits for none of them: the store wakes who waits for the key.
 */
export const GENTLE_TIMINGS: PatroniTimings = { ttlSec: 60, loopWaitSec: 5, retryTimeoutSec: 20 };
/** The least that Patroni documents and accepts. */
export const LEAST_TIMINGS: PatroniTimings = { ttlSec: 20, loopWaitSec: 1, retryTimeoutSec: 3 };

export interface RealClusterOptions {
  /** Default: gentle ones. */
  readonly timings?: PatroniTimings;
  /** How often each node is asked what it is; default 1 000. */
  readonly watchMs?: number;
  /** A commit waits for a standby, which alone may succeed: what was acknowledged survives a failover. */
  readonly synchronous?: boolean;
  /** A primary that died comes back by pg_rewind, or by a new copy. */
  readonly rewinds?: boolean;
}

/** JSON is YAML. */
export function patroniConfiguration(
  name: PostgresName,
  paths: { readonly folder: string; readonly programs: string },
  options: RealClusterOptions,
  tags: Readonly<Record<string, unknown>>,
): object {
  const { folder, programs } = paths;
  const { ttlSec, loopWaitSec, retryTimeoutSec } = options.timings ?? GENTLE_TIMINGS;
  const address = POSTGRES_HOSTS.find((host) => host.name === name)?.address ?? "";
  const user = (username: string): object => ({ username, password: username });
  const rewinds = options.rewinds === true;
  return {
    scope: SCOPE,
    name,
    log: { level: "INFO" },
    restapi: { listen: `${address}:${REST_PORT}`, connect_address: `${address}:${REST_PORT}` },
    etcd3: { hosts: `${CLIENT_ADDRESS}:${ETCD_PORT}` },
    ...(Object.keys(tags).length === 0 ? {} : { tags }),
    bootstrap: {
      dcs: {
        ...{ ttl: ttlSec, loop_wait: loopWaitSec, retry_timeout: retryTimeoutSec },
        synchronous_mode: options.synchronous === true,
        postgresql: { use_pg_rewind: rewinds, use_slots: true },
      },
      initdb: [{ encoding: "UTF8" }, { locale: "C" }, "no-sync"],
    },
    postgresql: {
      // All addresses: connections for the virtual ones arrive unchanged (direct routing).
      listen: `0.0.0.0:${SERVICE_PORT}`,
      connect_address: `${address}:${SERVICE_PORT}`,
      use_unix_socket: true,
      data_dir: join(folder, name, "data"),
      bin_dir: programs,
      pgpass: join(folder, name, "pgpass"),
      authentication: { superuser: user("postgres"), replication: user("replicator") },
      // A member asks itself for its timeline by a replication session on the loopback.
      pg_hba: [
        "local all all trust",
        ...["all", "replication"].flatMap((database) =>
          ["127.0.0.1/32", network()].map((from) => `host ${database} all ${from} trust`),
        ),
      ],
      basebackup: [{ checkpoint: "fast" }, "no-sync"],
      ...{ remove_data_directory_on_rewind_failure: rewinds, remove_data_directory_on_diverged_timelines: rewinds },
      parameters: {
        // The namespaces share one file system: each needs sockets of its own.
        unix_socket_directories: join(folder, name),
        max_connections: 150,
        shared_buffers: "16MB",
        fsync: "off",
        jit: "off",
      },
    },
  };
}

/** etcd's arguments: gentle to it, an emulated processor misses its heartbeats otherwise. */
export function etcdArguments(folder: string): readonly string[] {
  const url = (port: number): string => `http://${CLIENT_ADDRESS}:${port}`;
  return [
    ...["--name", "etcd", "--data-dir", join(folder, "etcd"), "--unsafe-no-fsync"],
    ...["--heartbeat-interval", "500", "--election-timeout", "5000", "--log-level", "warn"],
    ...["--listen-client-urls", url(ETCD_PORT), "--advertise-client-urls", url(ETCD_PORT)],
    ...["--listen-peer-urls", url(ETCD_PORT + 1), "--initial-advertise-peer-urls", url(ETCD_PORT + 1)],
    ...["--initial-cluster", `etcd=${url(ETCD_PORT + 1)}`],
  ];
}

function network(): string {
  return `${CLIENT_ADDRESS.replace(/\d+$/, "0")}/${PREFIX_LENGTH}`;
}
