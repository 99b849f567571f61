import { after, between, type DurationUs, durationUs, milliseconds, seconds, type Us } from "../core/units.ts";
import type { DestinationId } from "../plan/types.ts";
import { forgetMember } from "./clusters.ts";
import { roleChecks } from "./exclusive.ts";
import {
  type HealthState,
  type Hunt,
  type NodeState,
  nextRandom,
  type ProbeState,
  type ProbeUser,
  type ServiceState,
  type Wakeup,
} from "./state.ts";
import type { HealthEffect } from "./types.ts";

/**
 * When each probe is asked next. The first probes of a configuration start at once. Afterwards:
 * - every check: at `delay_loop`, counted from the start of the probe before, or a little earlier along with another one;
 * - after a failure that is not a verdict yet: `delay_before_retry` after the answer;
 * - the holder of an exclusive service: every min(delay_loop, role_watch);
 * - all members of a hunting service: 25 ms after each answer for 10 s, then 50 ms up to 120 s (a failover of Patroni takes
 *   ttl + loop_wait, 40 s by default), then doubled every minute up to delay_loop; once one has the key and is being promoted,
 *   that one 5 ms after each quick answer for 10 s, the others every 200 ms.
 * - after a kick: now, see kick.ts;
 * - always: a node that needs long for its answers is left alone for as long as the last one took, at most REST_MOST.
 * Jitter only ever shortens, so that what the documentation calls the worst case is one.
 */
const HUNT_FAST: DurationUs = milliseconds(25);
const HUNT_FAST_LASTS: DurationUs = seconds(10);
const HUNT_SLOWER: DurationUs = milliseconds(50);
const HUNT_SLOWER_LASTS: DurationUs = seconds(120);
/** While one node alone has the key and is being promoted, it is asked again sooner, and the others, whose answers can wait, later. */
const HUNT_SUCCESSOR: DurationUs = milliseconds(5);
const HUNT_BESIDE_SUCCESSOR: DurationUs = milliseconds(200);
const HUNT_DOUBLES_EVERY: DurationUs = seconds(60);
/** Between an answer and the next question there is a rest as long as the answer took, within these bounds. */
const REST_LEAST: DurationUs = milliseconds(25);
const REST_MOST: DurationUs = milliseconds(250);
const JITTER = 0.1;
/** A regular question has half of that for itself, and all of it when another one is due, which it is asked along with. */
const JITTER_ALONE = JITTER / 2;
/** So many questions whose time is near are asked along with one that is due: a processor sleeps longer, and nothing is stormed. */
const ALONG_MOST = 7;
/** A checker ends by itself at connect_timeout; one that has not by then was lost. */
const OVERDUE_GRACE: DurationUs = seconds(1);
/** After a stall of this thread, answers that wait in the event loop get in before a probe is given up. */
export const OVERDUE_SECOND_LOOK: DurationUs = milliseconds(500);

/** The gap that a hunt of this age leaves between an answer and the next question. */
export function huntGap(age: DurationUs): DurationUs {
  if (age < HUNT_FAST_LASTS) return HUNT_FAST;
  if (age < HUNT_SLOWER_LASTS) return HUNT_SLOWER;
  const doublings = 1 + Math.floor((age - HUNT_SLOWER_LASTS) / HUNT_DOUBLES_EVERY);
  return durationUs(HUNT_SLOWER * 2 ** Math.min(doublings, 30));
}

/**
 * The rest that a node gets after an answer (or its absence) that took so long. Every answer costs Patroni a thread and a
 * query: asked without a pause, a node that is slow for a moment stays slow because it is asked.
 */
export function restAfter(took: DurationUs): DurationUs {
  return durationUs(Math.min(Math.max(took, REST_LEAST), REST_MOST));
}

/** The next wakeup that has come, taken off; undefined when nothing is due. */
export function takeDue(state: HealthState, now: Us): Wakeup | undefined {
  for (let top = state.wakeups.top(); top !== undefined && top.at <= now; top = state.wakeups.top()) {
    state.wakeups.pop();
    if (isCurrent(state, top)) return top;
  }
  return undefined;
}

/** Wakeups of probes that may be asked along with one that is due, soonest first, taken off. */
export function* takeAlong(state: HealthState, now: Us): Generator<ProbeState> {
  for (let count = 0; count < ALONG_MOST && nextWakeup(state) !== undefined; count++) {
    const top = state.wakeups.top();
    if (top?.kind !== "probe" || top.earliestAt > now) return;
    state.wakeups.pop();
    yield top.probe;
  }
}

/** A probe's time has come: starts it, or answers that the one in flight must be taken for lost. */
export function startOrGiveUp(
  state: HealthState,
  probe: ProbeState,
  now: Us,
  effects: HealthEffect[],
): "started" | "waits" | "lost" {
  if (probe.inFlightSince === undefined) return startOrWait(state, probe, now, effects);
  if (probe.overdueSeen) return "lost";
  probe.overdueSeen = true;
  wakeProbe(state, probe, after(now, OVERDUE_SECOND_LOOK));
  return "waits";
}

/** Takes stale entries off the heap; what is then on top is due next. */
export function nextWakeup(state: HealthState): Us | undefined {
  for (let top = state.wakeups.top(); top !== undefined; top = state.wakeups.top()) {
    if (isCurrent(state, top)) return top.at;
    state.wakeups.pop();
  }
  return undefined;
}

function isCurrent(state: HealthState, wakeup: Wakeup): boolean {
  if (wakeup.kind === "service") {
    return state.services.get(wakeup.service.id) === wakeup.service && wakeup.service.wakeAt === wakeup.at;
  }
  return state.probes.get(wakeup.probe.spec.key) === wakeup.probe && wakeup.probe.wakeAt === wakeup.at;
}

/** @param earliestAt from then on along with another one; default: not before `at` */
export function wakeProbe(state: HealthState, probe: ProbeState, at: Us, earliestAt: Us = at): void {
  probe.wakeAt = at;
  state.wakeups.push({ at, kind: "probe", probe, earliestAt });
}

/** Bookkeeping of an answer: frees the node, wakes what waited for it, plans the next question. */
export function finishProbe(state: HealthState, probe: ProbeState, startedAt: Us, now: Us): void {
  probe.inFlightSince = undefined;
  probe.wakeAt = undefined;
  probe.startedAt = startedAt;
  probe.finishedAt = now;
  probe.results += 1;
  probe.overdueSeen = false;
  releaseNode(state, probe, now);
}

/** Forgets a probe that no check asks for any more; an answer that still comes is ignored. */
export function dropProbe(state: HealthState, probe: ProbeState, now: Us): void {
  forgetMember(state, probe);
  state.probes.delete(probe.spec.key);
  nodeOf(state, probe.node).waiting.delete(probe.spec.key);
  releaseNode(state, probe, now);
}

/** Every service that asks for it is suspended: it waits until one of them is not. */
export function isProbeSuspended({ users }: ProbeState): boolean {
  return users.length > 0 && users.every(({ service }) => service.suspended);
}

/** False for what was asked for before the service was suspended: it begins anew when it goes on. */
export function counts({ resumedAt }: ServiceState, startedAt: Us): boolean {
  return resumedAt === undefined || startedAt >= resumedAt;
}

/** Plans the next question after an answer. */
export function planNext(state: HealthState, probe: ProbeState, now: Us): void {
  if (probe.inFlightSince !== undefined || isProbeSuspended(probe)) return;
  const { at, earliestAt } = dueAt(state, probe, now);
  wakeProbe(state, probe, at, earliestAt);
}

/** Pulls the probes of a service forward where a hunt or a new holder wants them earlier; never pushes one back. */
export function pullForward(state: HealthState, service: ServiceState, now: Us): void {
  for (const server of service.servers) {
    for (const { key } of server.checks) {
      const probe = state.probes.get(key);
      // Without wakeAt it waits for its node and is due already, or it has just been answered and is planned next.
      if (probe === undefined || probe.inFlightSince !== undefined || probe.wakeAt === undefined) continue;
      const { at, earliestAt } = dueAt(state, probe, now);
      if (at < probe.wakeAt) wakeProbe(state, probe, at, earliestAt);
    }
  }
}

interface Due {
  readonly at: Us;
  /** Along with another question it may be asked from then on. */
  readonly earliestAt: Us;
}

/** Of a probe that nobody asks for any more. */
const NEVER: Due = { at: Number.POSITIVE_INFINITY as Us, earliestAt: Number.POSITIVE_INFINITY as Us };

/** The earliest instant that any of the checks behind a probe wants. */
function dueAt(state: HealthState, probe: ProbeState, now: Us): Due {
  const { startedAt, finishedAt, kickAt } = probe;
  const atOnce = { at: now, earliestAt: now };
  if (startedAt === undefined || finishedAt === undefined) return atOnce;
  let first = NEVER;
  for (const user of probe.users) {
    const due = dueForUser(state, probe, user, startedAt, finishedAt, now);
    if (due.at < first.at) first = due;
  }
  if (kickAt !== undefined) {
    const at = Math.max(kickAt, after(finishedAt, restAfter(between(startedAt, finishedAt)))) as Us;
    if (at < first.at) first = { at, earliestAt: at };
  }
  return first.at < now ? atOnce : first;
}

function dueForUser(
  state: HealthState,
  probe: ProbeState,
  { service, server, check }: ProbeUser,
  startedAt: Us,
  finishedAt: Us,
  now: Us,
): Due {
  if (!counts(service, startedAt)) return { at: now, earliestAt: now };
  const { delayLoop, delayBeforeRetry, warmup } = check.config.timing;
  const role = service.exclusive && roleChecks(service, server).includes(check);
  const watched = role && service.holder === server.id && service.config.roleWatch > 0;
  const interval = watched ? durationUs(Math.min(delayLoop, service.config.roleWatch)) : delayLoop;
  const scatter = probe.results === 1 ? durationUs(Math.min(warmup, interval) * nextRandom(state)) : durationUs(0);
  const rested = after(finishedAt, durationUs(Math.min(interval, restAfter(between(startedAt, finishedAt)))));
  const regular = after(startedAt, durationUs(jitter(state, interval, JITTER_ALONE) - scatter));
  const early = after(startedAt, durationUs(Math.round(interval * (1 - JITTER)) - scatter));
  const unhurried = Math.max(regular, rested) as Us;
  let at: Us = unhurried;
  if (check.silentSince !== undefined && check.verdict !== "down") {
    const retryAt = after(finishedAt, delayBeforeRetry);
    // A regular question shortly before would not count (see judgeFailure), and would put the one that does off by an interval.
    at = delayBeforeRetry <= interval ? retryAt : (Math.min(at, retryAt) as Us);
  }
  if (role && service.hunt !== undefined) {
    const gap = gapInHunt(service.hunt, server.id, between(startedAt, finishedAt), now);
    at = Math.min(at, after(finishedAt, jitter(state, durationUs(Math.min(gap, delayLoop))))) as Us;
  }
  // Only what is regular has time: a retry and a hunt are when they are.
  return { at, earliestAt: at === unhurried ? (Math.max(early, rested) as Us) : at };
}

/** The gap that a hunt leaves for one member after an answer that took so long. */
function gapInHunt({ startedAt, successor }: Hunt, server: DestinationId, took: DurationUs, now: Us): DurationUs {
  if (successor === undefined) return durationUs(Math.max(huntGap(between(startedAt, now)), restAfter(took)));
  const gap = huntGap(between(successor.since, now));
  if (server !== successor.id) return durationUs(Math.max(gap, HUNT_BESIDE_SUCCESSOR, restAfter(took)));
  return gap === HUNT_FAST ? durationUs(Math.min(Math.max(took / 4, HUNT_SUCCESSOR), REST_MOST)) : gap;
}

function jitter(state: HealthState, span: DurationUs, most = JITTER): DurationUs {
  return durationUs(Math.round(span * (1 - most * nextRandom(state))));
}

function startOrWait(state: HealthState, probe: ProbeState, now: Us, effects: HealthEffect[]): "started" | "waits" {
  if (isProbeSuspended(probe)) {
    probe.wakeAt = undefined;
    // It may have been its turn at the node: whoever waits behind it has that now.
    releaseNode(state, probe, now);
    return "waits";
  }
  const node = nodeOf(state, probe.node);
  // While a service hunts, its nodes are asked one question at a time: each costs Patroni a thread and a query.
  if (probe.results > 0 && node.inFlight.size > 0 && probe.users.some(({ service }) => service.hunt !== undefined)) {
    node.waiting.add(probe.spec.key);
    probe.wakeAt = undefined;
    return "waits";
  }
  node.inFlight.add(probe.spec.key);
  probe.inFlightSince = now;
  // Whatever a kick said before is what this question finds out.
  probe.kickAt = undefined;
  wakeProbe(state, probe, after(after(now, probe.spec.check.timing.connectTimeout), OVERDUE_GRACE));
  effects.push({ kind: "startProbe", spec: probe.spec });
  return "started";
}

function releaseNode(state: HealthState, probe: ProbeState, now: Us): void {
  const node = nodeOf(state, probe.node);
  node.inFlight.delete(probe.spec.key);
  if (node.inFlight.size > 0) return;
  // One at a time, in the order in which they fell due: the next one wakes the one after it.
  const [key] = node.waiting;
  const waiting = key === undefined ? undefined : state.probes.get(key);
  if (waiting === undefined) state.nodes.delete(probe.node);
  else {
    node.waiting.delete(waiting.spec.key);
    wakeProbe(state, waiting, now);
  }
}

function nodeOf(state: HealthState, name: string): NodeState {
  const known = state.nodes.get(name);
  if (known !== undefined) return known;
  const node: NodeState = { inFlight: new Set(), waiting: new Set() };
  state.nodes.set(name, node);
  return node;
}
