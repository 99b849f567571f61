import type { CheckConfig, HttpCheckConfig } from "../config/check.types.ts";
import { mayTellRole } from "../config/exclusive.ts";
import type { Us } from "../core/units.ts";
import { awaitLeader, leaderOf, learnPosition } from "./clusters.ts";
import { foreignMember } from "./discovery.ts";
import { type Finding, interpret } from "./findings.ts";
import { isHeld } from "./hold.ts";
import { judge } from "./judge.ts";
import { interpretPatroni, type PatroniReading, readPatroni } from "./patroniCheck.ts";
import { counts } from "./schedule.ts";
import type { CheckState, HealthState, ProbeState, ProbeUser, ServiceState } from "./state.ts";
import type { HealthEvent, ProbeOutcome } from "./types.ts";

/**
 * Takes an outcome into every check that it answers: each judges it by its own role and limits. A leader's position also
 * tells the lag of members that waited for it. Returns the services that are to be decided anew, and failures to be told: a service
 * of a thousand servers hears two thousand results a second that say what the ones before said.
 */
export function takeOutcome(
  state: HealthState,
  probe: ProbeState,
  startedAt: Us,
  outcome: ProbeOutcome,
  now: Us,
): { readonly services: ReadonlySet<ServiceState>; readonly events: readonly HealthEvent[] } {
  const events: HealthEvent[] = [];
  const services = new Set<ServiceState>();
  const { check } = probe.spec;
  const reading = readPatroni(outcome);
  const waiting = learnPosition(state, probe, reading);
  probe.reading = reading;
  if (reading === undefined || check.kind !== "patroni") {
    const finding = interpret(check, outcome);
    judgeUsers(state, probe, () => finding, startedAt, now, { services, events });
  } else judgeMember(state, probe, reading, startedAt, now, { services, events });
  for (const member of waiting) {
    if (member === probe || member.reading === undefined || member.startedAt === undefined) continue;
    judgeMember(state, member, member.reading, member.startedAt, now, { services, events });
  }
  return { services, events };
}

/** What comes of an outcome. */
interface Found {
  readonly services: Set<ServiceState>;
  readonly events: HealthEvent[];
}

function judgeMember(
  state: HealthState,
  probe: ProbeState,
  reading: PatroniReading,
  startedAt: Us,
  now: Us,
  found: Found,
): void {
  const leader = leaderOf(state, reading.body);
  const findingOf = (config: CheckConfig): Finding => {
    if (config.kind !== "patroni") return { kind: "silence", reason: "an answer of Patroni's to another check" };
    const finding = interpretPatroni(config, reading, leader);
    if (finding.kind === "open" && finding.awaitsLeader === true) awaitLeader(state, probe, reading.body);
    return finding;
  };
  judgeUsers(state, probe, findingOf, startedAt, now, found);
}

/** A suspended service begins anew when it goes on: what is asked until then is not for it (see suspend.ts). */
const activeUsers = ({ users }: ProbeState, startedAt: Us): readonly ProbeUser[] =>
  users.filter(({ service }) => !service.suspended && counts(service, startedAt));

/** Whoever a list of members names must be of that cluster by its own word, too. */
function ofTheCluster(state: HealthState, { service, server }: ProbeUser, finding: Finding): Finding {
  const foreign = "body" in finding ? foreignMember(state, service, server, finding.body) : undefined;
  return foreign === undefined || !("body" in finding)
    ? finding
    : { kind: "wrongAnswer", roleAnswer: true, body: finding.body, reason: foreign };
}

/** This check, or in an exclusive service another member's that asks the same. */
function hasPatroniAnswered({ exclusive, servers }: ServiceState, { body, config }: CheckState): boolean {
  if (body !== undefined || !exclusive || config.kind !== "HTTP_GET") return body !== undefined;
  const paths = pathsOf(config);
  return servers.some(({ checks }) =>
    checks.some((each) => each.body !== undefined && each.config.kind === "HTTP_GET" && pathsOf(each.config) === paths),
  );
}

const pathsOf = ({ urls }: HttpCheckConfig): string => urls.map(({ path }) => path).join(" ");

function judgeUsers(
  state: HealthState,
  probe: ProbeState,
  findingOf: (config: CheckConfig) => Finding,
  startedAt: Us,
  now: Us,
  { services, events }: Found,
): void {
  for (const user of activeUsers(probe, startedAt)) {
    const { service, server, check } = user;
    const held = mayTellRole(check.config) && isHeld(service, server, now);
    const opening = service.electionOpensAt !== undefined && now < service.electionOpensAt;
    const finding = ofTheCluster(state, user, findingOf(check.config));
    const patroniSpeaks = "bodiless" in finding && finding.bodiless === true && hasPatroniAnswered(service, check);
    const rules = { exclusive: service.exclusive, held, opening, patroniSpeaks };
    const changed = judge(check, server, rules, finding, startedAt, now);
    // Who holds an exclusive service depends on when each answer was asked for, and on all of its body.
    if (changed || service.exclusive) services.add(service);
    // `log_all_failures`: what does not bring a server down leaves no other trace.
    if (check.config.logAllFailures !== true || finding.kind === "pass" || check.verdict !== "up") continue;
    events.push({ kind: "checkFailed", service: service.id, server: server.id, reason: check.reason });
  }
}
