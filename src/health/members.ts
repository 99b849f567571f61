import type { ClusterMember } from "../config/discovery.ts";
import type { DiscoveryConfig, VirtualServerConfig } from "../config/types.ts";
import { endpointText, family, type Ip, parseIp } from "../core/ip.ts";
import { serviceFamily } from "../plan/keys.ts";
import { parsePatroniBody } from "./patroni.ts";
import type { HttpAnswer, ProbeOutcome } from "./types.ts";

/**
 * What Patroni's REST API tells of a cluster: `/cluster` lists the members (Patroni's documentation, "Cluster status and
 * history"; versions from 3.1 on add the scope), `/patroni` of the same node tells scope and system identifier in every version.
 */
export const CLUSTER_PATHS = ["/cluster", "/patroni"] as const;

/** A greater list is a mistake, or a lie. */
export const MEMBERS_MAX = 64;

export interface ClusterAnswer {
  readonly members: readonly ClusterMember[];
  /** Why members that are listed cannot be servers. */
  readonly unusable: readonly string[];
  readonly scope: string | undefined;
  readonly system: string | undefined;
}

export type ClusterReading =
  | { readonly ok: true; readonly value: ClusterAnswer }
  /** Why the answer is none. */
  | { readonly ok: false; readonly error: string };

/** Reads the answers to `CLUSTER_PATHS` for one service. Never throws. */
export function readCluster(outcome: ProbeOutcome, config: VirtualServerConfig): ClusterReading {
  const { discovery } = config;
  if (discovery === undefined) return refused("the service has no patroni_cluster");
  if (outcome.kind !== "answered")
    return refused("detail" in outcome ? `${outcome.kind}: ${outcome.detail}` : outcome.kind);
  const [listing, status] = outcome.answers;
  const list = jsonOf(listing);
  if (listing?.status !== 200 || list === undefined)
    return refused(
      `HTTP ${listing?.status ?? "of nothing"} from /cluster${listing?.status === 200 ? ", which is no list of members" : ""}`,
    );
  if (!Array.isArray(list.members)) return refused("the answer to /cluster has no list of members");
  if (list.members.length > MEMBERS_MAX)
    return refused(`/cluster lists ${list.members.length} members, more than ${MEMBERS_MAX}`);
  const body = status === undefined || status.bodyTruncated ? undefined : parsePatroniBody(status.body);
  const read = list.members.map((member: unknown) => readMember(member, config, discovery));
  const { members, doubled } = withOwnApis(unique(read.flatMap((each) => (typeof each === "string" ? [] : [each]))));
  const unusable = [...read.filter((each) => typeof each === "string"), ...doubled];
  if (members.length === 0) return refused(unusable[0] ?? "/cluster lists no member");
  const scope = typeof list.scope === "string" ? list.scope : body?.scope;
  if (typeof list.scope === "string" && body?.scope !== undefined && body.scope !== list.scope)
    return refused(`/cluster tells of scope ${list.scope}, /patroni of ${body.scope}`);
  return { ok: true, value: { members, unusable, scope, system: body?.databaseSystemIdentifier } };
}

const refused = (error: string): ClusterReading => ({ ok: false, error });

function jsonOf(answer: HttpAnswer | undefined): Readonly<Record<string, unknown>> | undefined {
  if (answer === undefined || answer.bodyTruncated) return undefined;
  try {
    const json: unknown = JSON.parse(answer.body);
    return isObject(json) ? json : undefined;
  } catch {
    return undefined;
  }
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** In words where it cannot be a server. */
function readMember(
  value: unknown,
  config: VirtualServerConfig,
  { template }: DiscoveryConfig,
): ClusterMember | string {
  if (!isObject(value) || typeof value.name !== "string") return "a member has no name";
  const name = printable(value.name);
  if (typeof value.host !== "string") return `member ${name} tells no address`;
  const address = parseIp(value.host);
  if (address === undefined) return `member ${name} tells the name ${printable(value.host)}, not an address`;
  const fault = faultOf(address, config, template.forwarding.method === "TUN");
  if (fault !== undefined) return `member ${name} tells ${address}, ${fault}`;
  const port = value.port ?? 5432;
  if (typeof port !== "number" || !Number.isInteger(port) || port < 1 || port > 65_535)
    return `member ${name} tells no port that there is`;
  return { name, address, port, ...restOf(value.api_url, address, template) };
}

/** Its REST API by `api_url` where that has an address; else at its own, on the port of `patroni`. */
function restOf(
  url: unknown,
  address: Ip,
  template: DiscoveryConfig["template"],
): Pick<ClusterMember, "restAddress" | "restPort"> {
  const check = template.checks.find((each) => each.kind === "patroni");
  const [, bracketed, plain, digits] =
    /^https?:\/\/(?:\[([^\]]+)\]|([^/:]+))(?::(\d{1,5}))?(?:\/|$)/i.exec(typeof url === "string" ? url : "") ?? [];
  const written = parseIp(bracketed ?? plain ?? "");
  const restAddress = written === undefined || faultOfAny(written) !== undefined ? address : written;
  const port = Number(digits ?? check?.connectPort ?? 0);
  return { restAddress, restPort: port >= 1 && port <= 65_535 ? port : (check?.connectPort ?? 0) };
}

/** What speaks against sending connections there. */
function faultOf(address: Ip, { targets }: VirtualServerConfig, tunnelled: boolean): string | undefined {
  const general = faultOfAny(address);
  if (general !== undefined) return general;
  if (targets.some((target) => target.protocol !== "FWM" && target.address === address))
    return "which is the service's own address";
  const families = new Set(targets.map((target) => serviceFamily(target)));
  return tunnelled || families.has(family(address)) ? undefined : "which is not of the service's address family";
}

function faultOfAny(address: Ip): string | undefined {
  const here = family(address) === 4 ? /^(0|127)\./.test(address) : address === "::" || address === "::1";
  if (here) return "which is the member itself";
  const group = family(address) === 4 ? /^(22[4-9]|23\d|24\d|25[0-5])\./.test(address) : address.startsWith("ff");
  return group ? "which is no server's" : undefined;
}

/** The first one of an address and port counts. */
function unique(members: readonly ClusterMember[]): readonly ClusterMember[] {
  const byEndpoint = new Map(members.toReversed().map((member) => [`${member.address} ${member.port}`, member]));
  return members.filter((member) => byEndpoint.get(`${member.address} ${member.port}`) === member);
}

/** One REST API speaks for one member: who shares it is left out, since one of them is wrong, and nothing tells which. */
export function withOwnApis(all: readonly ClusterMember[]): {
  readonly members: readonly ClusterMember[];
  readonly doubled: readonly string[];
} {
  const sharing = (member: ClusterMember) => all.filter((other) => restApi(other) === restApi(member));
  const alone = all.filter((member) => sharing(member).length === 1);
  const doubled = all.filter((member) => sharing(member).length > 1 && sharing(member)[0] === member);
  return {
    members: alone,
    doubled: doubled.map((member) => {
      const names = sharing(member).map(({ name }) => name);
      const none = names.length > 2 ? "none" : "neither";
      return `members ${names.join(" and ")} tell the same REST API, ${restApi(member)}: ${none} is taken; each must tell its own (restapi.connect_address of Patroni)`;
    }),
  };
}

/** Where its REST API is, as text: what two members must not share. */
export const restApi = ({ restAddress, restPort }: ClusterMember): string => endpointText(restAddress, restPort);

/** A name as it is shown, and told apart by. */
export const printable = (text: string): string => text.replace(/[^\x21-\x7e]/g, "?").slice(0, 64);
