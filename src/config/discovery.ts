import type { CheckConfig } from "./check.types.ts";
import type { DiscoveryConfig, RealServerConfig, VirtualServerConfig } from "./types.ts";

/** A member of a Patroni cluster, as its REST API tells of it. */
export interface ClusterMember {
  readonly name: string;
  /** Where its PostgreSQL listens. */
  readonly address: RealServerConfig["address"];
  readonly port: number;
  /** Where its REST API does. */
  readonly restAddress: RealServerConfig["address"];
  readonly restPort: number;
}

/**
 * The real server that a member is: what an empty `real_server` block would be in its virtual server. Only NAT leads to the member's own port;
 * elsewhere it is the service's.
 */
export function memberServer({ template }: DiscoveryConfig, member: ClusterMember): RealServerConfig {
  const asked = <Check extends CheckConfig>(check: Check): Check =>
    check.kind === "patroni" ? { ...check, connectIp: member.restAddress, connectPort: member.restPort } : check;
  const port = template.forwarding.method === "NAT" ? member.port : template.port;
  return {
    ...template,
    ...{ address: member.address, port, checks: template.checks.map(asked) },
    ...(template.fallback === undefined ? {} : { fallback: asked(template.fallback) }),
  };
}

/** Written servers, and one like those that are discovered: for what is told of a service by its configuration alone. */
export function exemplaryServers({
  realServers,
  discovery,
}: Pick<VirtualServerConfig, "realServers" | "discovery">): readonly RealServerConfig[] {
  return discovery === undefined ? realServers : [...realServers, discovery.template];
}
