import type { CheckConfig } from "../config/check.types.ts";
import { isLeaderRole } from "../config/exclusive.ts";
import { barePath, isLeaderPath } from "../config/leaderPaths.ts";
import type { Us } from "../core/units.ts";
import type { DestinationId } from "../plan/types.ts";
import { serverReason, serverVerdict } from "./judge.ts";
import { type CheckState, type Conflict, type Hunt, type ServerState, type ServiceState, serverOf } from "./state.ts";
import type { HealthEvent, PatroniBody } from "./types.ts";

/**
 * Who holds an exclusive service. At most one server ever does; a claim is a server whose latest results are all as
 * expected, a confirmed one also says so in its body.
 */
export interface Claim {
  readonly server: ServerState;
  readonly confirmed: boolean;
  /** When the answer about the role was asked for, the oldest of several; Infinity for a server without checks. */
  readonly askedAt: number;
  readonly body: PatroniBody | undefined;
}

/** True for a service that is exclusive now: by configuration, or once a body on `/` has carried `patroni.scope`. */
export function isExclusive(service: Pick<ServiceState, "config" | "servers">): boolean {
  switch (service.config.exclusive) {
    case "on":
    case "detected":
      return true;
    case "off":
    case "no":
      return false;
    case "onScope":
      return service.servers.some((server) => server.checks.some(tellsScopeOnRoot));
  }
}

/** What answers another question, a `patroni` check of replicas say, tells nothing about who answers on `/`. */
function tellsScopeOnRoot({ config, body }: CheckState): boolean {
  return body?.scope !== undefined && config.kind === "HTTP_GET" && config.urls.some((url) => asksRoot(url.path));
}

/** Decides holder, conflict and hunt anew from the latest results. Returns what changed, each with its reason. */
export function decide(service: ServiceState, now: Us): HealthEvent[] {
  const events: HealthEvent[] = [];
  const claims = claimsOf(service);
  dropLostHolder(service, events);
  trackConflict(service, claims, now, events);
  if (!awaitsFirstResults(service, now)) {
    if (service.conflict === undefined) takeSingleClaim(service, claims[0], events);
    else judgeConflict(service, service.conflict, claims, events);
  }
  decideHunt(service, claims, now, events);
  return events;
}

export function claimsOf(service: ServiceState): Claim[] {
  return service.servers
    .filter((server) => server.checks.every((check) => check.passing))
    .map((server) => ({
      server,
      confirmed: server.checks.every((check) => check.confirmed),
      askedAt: Math.min(...roleChecks(service, server).map((check) => check.askedAt ?? 0)),
      body: server.checks.find((check) => check.body !== undefined)?.body,
    }));
}

/** Sets the holder and records why; also for adoption, and for services that end. `shared`: see HealthEvent. */
export function setHolder(
  service: ServiceState,
  to: DestinationId | undefined,
  reason: string,
  events: HealthEvent[],
  shared = false,
): void {
  const from = service.holder;
  if (from === to) return;
  service.holder = to;
  events.push({ kind: "holder", service: service.id, from, to, reason, ...(shared ? { shared } : {}) });
}

/** The service elects nobody any more: a hunt and a conflict that were told to have begun are told to have ended. */
export function endElection(service: ServiceState, reason: string, events: HealthEvent[]): void {
  const { hunt, conflict, id } = service;
  if (hunt !== undefined) events.push({ kind: "hunt", service: id, phase: "ended", reason });
  if (conflict?.announced !== undefined) events.push({ kind: "conflictEnded", service: id });
  service.hunt = undefined;
  service.conflict = undefined;
}

/** A role answer that says no, or enough silence: the weight goes at once, whoever comes next. */
function dropLostHolder(service: ServiceState, events: HealthEvent[]): void {
  if (service.holder === undefined) return;
  const holder = serverOf(service, service.holder);
  if (holder === undefined) setHolder(service, undefined, "removed from the configuration", events);
  else if (serverVerdict(holder) === "down") setHolder(service, undefined, serverReason(holder), events);
}

/**
 * At a start nobody is elected before every member has answered or had its time: the first of two claimants to answer
 * must not become the incumbent by being quick. A holder that was adopted and has answered needs no election.
 */
function awaitsFirstResults(service: ServiceState, now: Us): boolean {
  if (service.electionOpensAt === undefined || now >= service.electionOpensAt) return false;
  const holder = serverOf(service, service.holder);
  const waitedFor = holder === undefined ? service.servers : [holder];
  return waitedFor.some((server) => server.checks.some((check) => check.resultAt === undefined));
}

function trackConflict(service: ServiceState, claims: readonly Claim[], now: Us, events: HealthEvent[]): void {
  const newestAskedAt = Math.max(0, ...claims.map(({ askedAt }) => askedAt));
  if (service.conflict === undefined) {
    if (claims.length > 1) service.conflict = { seenAt: now, newestAskedAt, announced: undefined };
    return;
  }
  const { conflict } = service;
  conflict.newestAskedAt = Math.max(conflict.newestAskedAt, newestAskedAt);
  // What is left suffices when it was asked for after the conflict was seen, or when no claim of it was newer. Else it may be what a
  // newer claim has ended.
  const sufficesFrom = Math.min(conflict.seenAt, conflict.newestAskedAt);
  if (claims.length > 1 || claims.some((claim) => claim.askedAt < sufficesFrom)) return;
  service.conflict = undefined;
  if (conflict.announced !== undefined) events.push({ kind: "conflictEnded", service: service.id });
}

function takeSingleClaim(service: ServiceState, claim: Claim | undefined, events: HealthEvent[]): void {
  if (claim === undefined || !claim.confirmed || claim.server.id === service.holder) return;
  const incumbent = serverOf(service, service.holder);
  if (incumbent !== undefined) {
    // The incumbent says nothing. It keeps the weight for its retries, but not against a claim made after it fell silent.
    if (isUnlockedInPause(claim)) return;
    if (claim.askedAt < silentSince(incumbent)) return;
    const reason = `${serverReason(claim.server)}; ${incumbent.id}: ${serverReason(incumbent)}`;
    setHolder(service, claim.server.id, reason, events);
    return;
  }
  setHolder(service, claim.server.id, serverReason(claim.server), events);
}

/** When the incumbent's silence was first seen; 0 for one that was adopted and has never answered. */
function silentSince(server: ServerState): number {
  return Math.max(0, ...server.checks.map((check) => check.silentSince ?? 0));
}

function judgeConflict(
  service: ServiceState,
  conflict: Conflict,
  claims: readonly Claim[],
  events: HealthEvent[],
): void {
  if (claims.length < 2 || claims.some((claim) => claim.askedAt < conflict.seenAt)) return;
  const winner = newestTimeline(claims);
  const holderBefore = service.holder;
  let decision: string;
  if (winner === undefined || !winner.confirmed)
    decision = undecided(service, "no claim has the highest timeline alone");
  else if (winner.server.id === service.holder) decision = `${winner.server.id} stays: highest timeline`;
  else if (service.holder !== undefined && isUnlockedInPause(winner)) {
    decision = undecided(service, `${winner.server.id} claims while the cluster is paused and unlocked`);
  } else {
    decision = `${winner.server.id} gets the weight: timeline ${winner.body?.timeline}`;
    setHolder(service, winner.server.id, decision, events);
  }
  const claimants = claims.map((claim) => claim.server.id);
  const holder = service.holder;
  // The decision of the first look stays announced while nothing changes: "gets" and then "stays" is one alarm.
  const announcement = `${claimants.join(" ")} -> ${holder ?? "nobody"}`;
  if (conflict.announced === announcement && holderBefore === holder) return;
  conflict.announced = announcement;
  events.push({ kind: "conflict", service: service.id, claimants, decision });
}

function undecided(service: ServiceState, why: string): string {
  return service.holder === undefined ? `nobody gets weight: ${why}` : `${service.holder} stays, as incumbent: ${why}`;
}

/** The claim with the highest timeline alone, if all claims are of one database system and all tell their timeline. */
function newestTimeline(claims: readonly Claim[]): Claim | undefined {
  const system = claims[0]?.body?.databaseSystemIdentifier;
  if (system === undefined || claims.some((claim) => claim.body?.databaseSystemIdentifier !== system)) return undefined;
  if (claims.some((claim) => claim.body?.timeline === undefined)) return undefined;
  const timeline = (claim: Claim): number => claim.body?.timeline ?? 0;
  const highest = Math.max(...claims.map(timeline));
  const newest = claims.filter((claim) => timeline(claim) === highest);
  return newest.length === 1 ? newest[0] : undefined;
}

/** With the cluster paused and the DCS out of reach every node whose role is primary answers 200. */
function isUnlockedInPause(claim: Claim): boolean {
  return claim.body?.pause === true && claim.body.clusterUnlocked;
}

/**
 * Hunting lasts from the first sign that the role moves until one claimant is confirmed: no holder (a start without one
 * too: it may fall into a failover), a holder whose latest result is no claim, or a second claim.
 */
function decideHunt(service: ServiceState, claims: readonly Claim[], now: Us, events: HealthEvent[]): void {
  const holder = serverOf(service, service.holder);
  const claim = claims.find((candidate) => candidate.server === holder);
  if (service.hunt === undefined) {
    const reason = reasonToHunt(service, holder, claim, now);
    if (reason === undefined) return;
    service.hunt = withSuccessor({ startedAt: now, successor: undefined }, claims, now);
    events.push({ kind: "hunt", service: service.id, phase: "started", reason });
    return;
  }
  if (service.conflict !== undefined || holder === undefined || claim?.confirmed !== true) {
    service.hunt = withSuccessor(service.hunt, service.conflict === undefined ? claims : [], now);
    return;
  }
  service.hunt = undefined;
  events.push({ kind: "hunt", service: service.id, phase: "ended", reason: `${holder.id}: ${serverReason(holder)}` });
}

/** A node that alone has the key and is not confirmed yet is being promoted: the hunt is for its next answer above all. */
function withSuccessor(hunt: Hunt, claims: readonly Claim[], now: Us): Hunt {
  const [claim] = claims;
  const id = claims.length === 1 && claim?.confirmed === false ? claim.server.id : undefined;
  if (hunt.successor?.id === id) return hunt;
  return { startedAt: hunt.startedAt, successor: id === undefined ? undefined : { id, since: now } };
}

function reasonToHunt(
  service: ServiceState,
  holder: ServerState | undefined,
  claim: Claim | undefined,
  now: Us,
): string | undefined {
  if (service.conflict !== undefined) return "more than one server claims the role";
  if (awaitsFirstResults(service, now)) return undefined;
  if (holder === undefined) return "no server has the role";
  if (claim !== undefined || holder.checks.some((check) => check.resultAt === undefined)) return undefined;
  return `${holder.id}: ${serverReason(holder)}`;
}

/** The checks that tell the role; where none does (`exclusive on` over plain checks), all of them. */
export function roleChecks(service: ServiceState, server: ServerState): readonly CheckState[] {
  const telling = server.checks.filter((check) => check.body !== undefined || asksRole(service, check.config));
  return telling.length === 0 ? server.checks : telling;
}

function asksRole(service: ServiceState, check: CheckConfig): boolean {
  if (check.kind === "patroni") return isLeaderRole(check.role);
  if (check.kind === "pgsql") return check.role === "primary";
  if (check.kind !== "HTTP_GET") return false;
  const root = service.config.exclusive === "onScope";
  return check.urls.some((url) => isLeaderPath(url.path) || (root && asksRoot(url.path)));
}

const asksRoot = (path: string): boolean => barePath(path) === "/";
