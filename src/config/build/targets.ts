import { endpointText, type Family, family } from "../../core/ip.ts";
import type { Written } from "../keywords/row.ts";
import { addressAfter, type Granularity, type GroupLine, type ServiceHeader } from "../keywords/serviceKinds.ts";
import type { ForwardingConfig, ServiceTarget } from "../types.ts";
import type { ParsedGroup, ParsedServer, ParsedService } from "./parsed.ts";

/** What a virtual server answers to, from its header, the group that it names, and the families of its servers. */

export function serviceName(service: ParsedService): string {
  const { header, values } = service;
  const protocol = values.protocol.value;
  if (header.kind === "group") return `${protocol} group ${header.name.text}`;
  if (header.kind === "fwmark") return `FWM ${header.mark}${markFamily(service) === 6 ? " IPv6" : ""}`;
  return `${protocol} ${endpointText(header.address, header.port ?? 0)}`;
}

export function buildTargets(service: ParsedService, groups: readonly ParsedGroup[]): readonly ServiceTarget[] {
  const { header } = service;
  const protocol = service.values.protocol.value;
  switch (header.kind) {
    case "address":
      return [{ protocol, address: header.address, port: header.port ?? 0 }];
    case "fwmark":
      return [{ protocol: "FWM", mark: header.mark, family: markFamily(service) }];
    case "group": {
      const lines = groupOf(header, groups).flatMap(linesOf);
      return lines.flatMap(({ value }) => lineTargets(value, service));
    }
  }
}

/** A group may be written in several blocks, as keepalived reads it. */
export function groupOf(header: ServiceHeader, groups: readonly ParsedGroup[]): readonly ParsedGroup[] {
  return header.kind === "group" ? groups.filter((group) => group.header === header.name.text) : [];
}

/** The parser fills `free` by the kind of the group's lines alone. */
export const linesOf = (group: ParsedGroup): readonly Written<GroupLine>[] =>
  group.free as readonly Written<GroupLine>[];

function lineTargets(line: GroupLine, service: ParsedService): readonly ServiceTarget[] {
  if (line.kind === "fwmark") {
    return [{ protocol: "FWM", mark: line.mark, family: line.family ?? markFamily(service) }];
  }
  const protocol = service.values.protocol.value;
  return Array.from({ length: line.count }, (_, offset) => ({
    protocol,
    address: addressAfter(line.first, offset),
    port: line.port ?? 0,
  }));
}

/** keepalived.conf(5), ip_family: the servers' family where they tell it, else the granularity's, else IPv4. */
export function markFamily({ values }: ParsedService): Family {
  const { ip_family, persistence_granularity, real_server } = values;
  if (ip_family !== undefined) return ip_family.value;
  const direct = real_server.find((server) => forwardingOf(server, values.lvs_method.value).method !== "TUN");
  if (direct !== undefined) return family(direct.header.address);
  const granularity: Granularity | undefined = persistence_granularity?.value;
  if (granularity !== undefined) return granularity.family;
  return real_server.length > 0 && real_server.every((server) => family(server.header.address) === 6) ? 6 : 4;
}

export function forwardingOf(server: ParsedServer, outer: ForwardingConfig): ForwardingConfig {
  return server.values.lvs_method?.value ?? outer;
}
