import { type ClusterMember, memberServer } from "../config/discovery.ts";
import type { DiscoveryConfig, VirtualServerConfig } from "../config/types.ts";
import { endpointText } from "../core/ip.ts";
import { destinationId } from "../plan/keys.ts";
import type { DestinationId } from "../plan/types.ts";
import { serverVerdict } from "./judge.ts";
import { type ClusterAnswer, MEMBERS_MAX, printable, restApi } from "./members.ts";
import { type DiscoveryState, type KnownMember, type ServerState, type ServiceState, serverOf } from "./state.ts";

/** What an answer makes of the list of members that a service follows. One REST API speaks for one server, whatever is told. */

export interface Merging {
  /** As the file has it. */
  readonly config: VirtualServerConfig;
  readonly discovery: DiscoveryConfig;
  readonly answer: ClusterAnswer;
  readonly source: string;
  readonly tell: (what: string) => void;
}

type Known = ReadonlyMap<DestinationId, KnownMember>;
type Listed = ReadonlyMap<DestinationId, ClusterMember>;

/** The list after an answer that counts, and why some of it was not taken. */
export function mergeMembers(
  service: ServiceState,
  before: DiscoveryState,
  merging: Merging,
): { readonly members: readonly KnownMember[]; readonly doubled: string | undefined } {
  const { discovery, answer, source, tell } = merging;
  // Where its port has no part in its row, it may move to another one.
  const idOf = (member: ClusterMember): DestinationId => destinationId(memberServer(discovery, member));
  const known = new Map(before.members.toReversed().map((each) => [idOf(each.member), each]));
  const listed = new Map(answer.members.toReversed().map((member) => [idOf(member), member]));
  const newcomers = answer.members.filter((member) => listed.get(idOf(member)) === member && !known.has(idOf(member)));
  for (const member of newcomers.slice(Math.max(0, 2 * MEMBERS_MAX - known.size))) listed.delete(idOf(member));
  const whyItRemains = (member: ClusterMember): string | undefined =>
    answer.unusable.length > 0 ? "the list is not whole" : whyItStays(service, member);
  const { refused, successorOf, doubled } = settle(service, before, { ...merging, known, listed, whyItRemains });
  const members = before.members.flatMap((each): KnownMember[] => {
    const id = idOf(each.member);
    if (known.get(id) !== each) return [];
    const now = listed.get(id);
    if (now !== undefined) return [refused.has(id) ? each : { member: now, listed: true }];
    const successor = successorOf(each);
    const why = whyItRemains(each.member);
    if (why === undefined) {
      const leaves = successor === undefined ? "it does not answer for itself" : "its REST API is another member's now";
      tell(`${nameOf(each.member)} has left: ${source} no longer lists it, and ${leaves}`);
      return [];
    }
    if (successor !== undefined) {
      const replacedBy = nameOf(successor);
      if (each.replacedBy !== replacedBy)
        tell(
          `${nameOf(each.member)} is ${replacedBy} now, says ${source}; the place before goes when its connections do`,
        );
      return [{ member: each.member, listed: false, replacedBy }];
    }
    if (each.listed && answer.unusable.length === 0)
      tell(`${nameOf(each.member)} is no longer listed by ${source}; it stays: ${why}`);
    return [{ ...each, listed: each.listed && answer.unusable.length > 0 }];
  });
  const joined = newcomers.filter((member) => listed.has(idOf(member)) && !refused.has(idOf(member)));
  for (const member of joined)
    tell(`${nameOf(member)} has joined, says ${source}; no weight before its own check has passed`);
  return { members: [...members, ...joined.map((member) => ({ member, listed: true }))], doubled };
}

interface Settling extends Merging {
  readonly known: Known;
  readonly listed: Listed;
  readonly whyItRemains: (member: ClusterMember) => string | undefined;
}

interface Settled {
  /** Of those listed: who is left as he is, or does not join. */
  readonly refused: ReadonlySet<DestinationId>;
  /** Who has the place in the list of one that is known and not listed. */
  readonly successorOf: (known: KnownMember) => ClusterMember | undefined;
  readonly doubled: string | undefined;
}

/** Leaves as he is whoever would have a REST API that speaks for another one as well, until nobody has. */
function settle(
  service: ServiceState,
  before: DiscoveryState,
  { config, discovery, known, listed, whyItRemains }: Settling,
): Settled {
  const idOf = (member: ClusterMember): DestinationId => destinationId(memberServer(discovery, member));
  const written = writtenApis(config);
  const byApi = new Map([...listed.values()].map((member) => [restApi(member), member]));
  const refused = new Set<DestinationId>();
  let doubled: string | undefined;
  const successorOf = ({ member }: KnownMember): ClusterMember | undefined => {
    const now = byApi.get(restApi(member));
    if (now === undefined || refused.has(idOf(now))) return undefined;
    return before.learnsAnew || nodeOf(service, member) === now.name ? now : undefined;
  };
  /** Who keeps the REST API that he has. */
  const keepers = (): ReadonlyMap<string, ClusterMember> =>
    new Map(
      [...known].flatMap(([id, each]) => {
        const now = listed.get(id);
        const keeps =
          each.replacedBy === undefined &&
          (now === undefined
            ? successorOf(each) === undefined && whyItRemains(each.member) !== undefined
            : refused.has(id) || restApi(now) === restApi(each.member));
        return keeps ? [[restApi(each.member), each.member] as const] : [];
      }),
    );
  for (let settled = false; !settled; ) {
    settled = true;
    const kept = keepers();
    for (const [id, member] of [...listed].toReversed()) {
      if (refused.has(id)) continue;
      const asked = written.get(restApi(member));
      const keeper = kept.get(restApi(member));
      const isAnothers = keeper !== undefined && idOf(keeper) !== id;
      if (!isAnothers && (asked === undefined || asked.includes(id))) continue;
      refused.add(id);
      settled = false;
      doubled ??= isAnothers ? keptText(config, member, keeper) : askedText(member, asked ?? []);
    }
  }
  return { refused, successorOf, doubled };
}

const keptText = ({ name }: VirtualServerConfig, member: ClusterMember, keeper: ClusterMember): string =>
  `${nameOf(member)} tells the REST API of ${nameOf(keeper)}, which stays: it is not taken; if that is right, because the REST API is its now: holdfast forget "${name}"`;

const askedText = (member: ClusterMember, asked: readonly DestinationId[]): string =>
  `${nameOf(member)} tells the REST API that real_server ${asked.join(" and ")} is asked at: it is not taken; take that real_server out of the file, or have it asked at its own`;

/** The REST APIs at which a service's written servers are asked, with the servers for which each speaks. */
export function writtenApis({ realServers }: VirtualServerConfig): ReadonlyMap<string, readonly DestinationId[]> {
  const apis = new Map<string, DestinationId[]>();
  for (const server of realServers) {
    for (const check of server.checks) {
      if (check.kind !== "patroni" && check.kind !== "HTTP_GET") continue;
      const api = endpointText(check.connectIp, check.connectPort);
      apis.set(api, [...(apis.get(api) ?? []), destinationId(server)]);
    }
  }
  return apis;
}

const nameOf = ({ name, address, port }: ClusterMember): string => `member ${name} (${address} port ${port})`;

/** The name of the node behind a known member: what its REST API says, else what the list said. */
function nodeOf(service: ServiceState, member: ClusterMember): string {
  const asked = serverFor(service, member)?.checks.find(
    ({ config, body }) =>
      config.kind === "patroni" &&
      body?.name !== undefined &&
      endpointText(config.connectIp, config.connectPort) === restApi(member),
  );
  return printable(asked?.body?.name ?? member.name);
}

function serverFor(service: ServiceState, member: ClusterMember): ServerState | undefined {
  const { discovery } = service.config;
  return discovery && serverOf(service, destinationId(memberServer(discovery, member)));
}

function whyItStays(service: ServiceState, member: ClusterMember): string | undefined {
  const server = serverFor(service, member);
  if (server === undefined) return undefined;
  const verdict = serverVerdict(server);
  if (verdict === "up") return "its own check passes";
  // At a start the list may come before the answer; what is gone from the list alone would never come back.
  if (verdict === "unknown") return "its own check has not answered yet";
  return server.loss === undefined ? undefined : "its connections have not ended";
}
