/** The PostgreSQL cluster behind the load balancers, as the lab's story and the tests use it: stand-ins or the real one. */
import {
  type ArticleNetwork,
  POSTGRES_HOSTS,
  POSTGRES_NAMES,
  type PostgresName,
  REST_PORT,
  SERVICE_PORT,
} from "./articleNetwork.ts";
import { RealCluster } from "./realCluster.ts";
import { StandInCluster, type SwitchoverRecord } from "./standIn/cluster.ts";

export interface LabCluster {
  readonly kind: "stand-ins" | "real";
  primary(): PostgresName | undefined;
  /** Resolves when the new primary takes writes. */
  switchover(to: PostgresName): Promise<SwitchoverRecord>;
  /** Resolves when all members are back: a primary and two replicas. */
  settled(): Promise<void>;
  stop(): Promise<void>;
}

export async function startStandIns(network: ArticleNetwork): Promise<LabCluster & { readonly nodes: StandInCluster }> {
  const nodes = await StandInCluster.start({
    members: POSTGRES_HOSTS.map((host) => ({ ...host, namespace: network.postgres[host.name] })),
    restPort: REST_PORT,
    sqlPort: SERVICE_PORT,
  });
  let returning: Promise<void> = Promise.resolve();
  return {
    kind: "stand-ins",
    nodes,
    primary: () => POSTGRES_NAMES.find((name) => nodes.primaries().includes(name)),
    switchover: async (to) => {
      const { returned, ...record } = await nodes.switchover(to);
      returning = returned;
      return record;
    },
    settled: () => returning,
    stop: () => nodes.stop(),
  };
}

export async function startRealCluster(network: ArticleNetwork): Promise<LabCluster & { readonly nodes: RealCluster }> {
  const nodes = await RealCluster.start(network);
  const primary = POSTGRES_HOSTS.find(({ name }) => name === nodes.primary());
  if (primary === undefined) throw new Error("the cluster has lost its primary");
  // The article's table; stand-ins take inserts into any.
  await nodes.query(primary.address, "create table t1 (i int)");
  return {
    kind: "real",
    nodes,
    primary: () => nodes.primary(),
    switchover: (to) => nodes.switchover(to),
    settled: async () => {
      await nodes.waitUntilWhole();
    },
    stop: () => nodes.stop(),
  };
}
