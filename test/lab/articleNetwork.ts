/**
 * The article's machines as namespaces on one bridge: a client, the two load balancers, three PostgreSQL hosts with the
 * virtual addresses on a dummy device that answers no ARP for them.
 */

import { createNetwork, type Network, type NetworkHost } from "./netns.ts";
import { runProcess } from "./processes.ts";

export const PREFIX_LENGTH = 24;
/** Virtual addresses of the article's files. */
export const WRITE_VIP = "10.0.2.10";
export const READ_VIP = "10.0.2.11";
export const SERVICE_PORT = 5432;
/** The article's text says 8008, its complete files check 8010: the files count. */
export const REST_PORT = 8010;

export const CLIENT_ADDRESS = "10.0.2.100";
export const BALANCERS = [
  { name: "kad1", address: "10.0.2.1" },
  { name: "kad2", address: "10.0.2.2" },
] as const;
export const POSTGRES_HOSTS = [
  { name: "pg1", address: "10.0.2.3" },
  { name: "pg2", address: "10.0.2.4" },
  { name: "pg3", address: "10.0.2.5" },
] as const;

export type PostgresName = (typeof POSTGRES_HOSTS)[number]["name"];
export type BalancerName = (typeof BALANCERS)[number]["name"];
export const POSTGRES_NAMES: readonly PostgresName[] = POSTGRES_HOSTS.map(({ name }) => name);

/** `10.0.2.4:5432` is pg2; undefined for an address of no PostgreSQL host. */
export function postgresAt(destination: string): PostgresName | undefined {
  const address = destination.split(":", 1)[0];
  return POSTGRES_HOSTS.find((host) => host.address === address)?.name;
}

export function postgresAddress(name: PostgresName): string {
  const found = POSTGRES_HOSTS.find((host) => host.name === name);
  if (found === undefined) throw new Error(`the article has no host ${name}`);
  return found.address;
}

export interface ArticleNetwork {
  readonly network: Network;
  readonly client: NetworkHost;
  readonly balancers: Readonly<Record<BalancerName, NetworkHost>>;
  readonly postgres: Readonly<Record<PostgresName, NetworkHost>>;
  remove(): void;
}

/** Makes the whole network. `prefix` tells tests apart in the namespaces' names. */
export async function createArticleNetwork(prefix: string): Promise<ArticleNetwork> {
  const withPrefix = (host: { name: string; address: string }): { name: string; addresses: string[] } => ({
    name: host.name,
    addresses: [`${host.address}/${PREFIX_LENGTH}`],
  });
  const network = await createNetwork({
    prefix,
    hosts: [{ name: "client", address: CLIENT_ADDRESS }, ...BALANCERS, ...POSTGRES_HOSTS].map(withPrefix),
  });
  try {
    const article: ArticleNetwork = {
      network,
      client: network.host("client"),
      balancers: { kad1: network.host("kad1"), kad2: network.host("kad2") },
      postgres: { pg1: network.host("pg1"), pg2: network.host("pg2"), pg3: network.host("pg3") },
      remove: () => network.remove(),
    };
    for (const host of Object.values(article.postgres)) await addVirtualAddresses(host);
    return article;
  } catch (error) {
    network.remove();
    throw error;
  }
}

/**
 * The article's "Interfaces dummy sur les serveurs PostgreSQL". The host takes packets for the virtual addresses and
 * answers no ARP for them (arp_ignore 1), nor asks with them as its own (arp_announce 2).
 */
async function addVirtualAddresses(host: NetworkHost): Promise<void> {
  for (const device of ["all", "eth0"]) {
    await host.setSysctl(`net.ipv4.conf.${device}.arp_ignore`, 1);
    await host.setSysctl(`net.ipv4.conf.${device}.arp_announce`, 2);
  }
  const device = (await addDummy(host)) ? "dummy0" : "lo";
  await host.ipBatch([
    `address add ${WRITE_VIP}/32 dev ${device}`,
    `address add ${READ_VIP}/32 dev ${device}`,
    `link set ${device} up`,
  ]);
}

/** False where the kernel has no dummy devices: the loopback device serves as well then. */
async function addDummy(host: NetworkHost): Promise<boolean> {
  const added = await runProcess("ip", ["-netns", host.name, "link", "add", "dummy0", "type", "dummy"], {
    allowFailure: true,
  });
  if (added.status !== 0 && !/Unknown device type|not supported/i.test(added.stderr)) {
    throw new Error(`dummy0 in ${host.name}: ${added.stderr.trim()}`);
  }
  return added.status === 0;
}
