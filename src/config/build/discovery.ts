import { ip } from "../../core/ip.ts";
import type { DiscoveryConfig, RealServerConfig } from "../types.ts";
import type { ParsedService } from "./parsed.ts";

/** Stands in a template until a member's own address does: the unspecified one, which no server has. */
export const TEMPLATE_ADDRESS = ip("0.0.0.0");

/** `patroni_cluster`. @param template what an empty `real_server` block would be */
export function buildDiscovery(service: ParsedService, template: RealServerConfig): DiscoveryConfig | undefined {
  const line = service.values.patroni_cluster?.value;
  const check = template.checks.find((each) => each.kind === "patroni");
  if (line === undefined || check === undefined) return undefined;
  const sources = line.sources.map(({ address, port }) => ({ address, port: port ?? check.connectPort }));
  return { sources, scope: line.scope, interval: line.interval, template };
}
