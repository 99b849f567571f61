import { after, durationUs, seconds, type Us } from "../core/units.ts";
import { isProbeSuspended, pullForward } from "./schedule.ts";
import type { HealthState, ProbeState, ServiceState } from "./state.ts";
import type { HealthEvent, HealthInput } from "./types.ts";

/**
 * A kick: somebody says that roles have changed. It is a hint and nothing follows from it but that the next questions go out
 * now instead of at their time; the answers decide, as always. A question that is under way was perhaps asked too early, so
 * another one follows its answer.
 *
 * Each probe takes `AT_ONCE` kicks in a row (a switchover has as many callbacks), then one in `EVERY`; what comes sooner waits until
 * then, and everything that comes meanwhile is that same kick. So none is lost, and whoever kicks without an end makes a node answer
 * one more question a second.
 */
const AT_ONCE = 5;
const EVERY = seconds(1);

/** The services that were meant, and what comes of it; none when every probe waits for an earlier kick already. */
export function kick(
  state: HealthState,
  { services, source }: Extract<HealthInput, { kind: "kick" }>,
  now: Us,
): HealthEvent[] {
  const meant = [...state.services.values()].filter(({ id }) => services?.has(id) ?? true);
  let asked = 0;
  let later = 0;
  for (const probe of probesOf(state, meant)) {
    if (probe.kickAt !== undefined || isProbeSuspended(probe)) continue;
    probe.kickAt = takeTurn(probe, now);
    if (probe.kickAt > now) later += 1;
    else asked += 1;
  }
  for (const service of meant) pullForward(state, service, now);
  if (asked + later === 0) return [];
  return [
    { kind: "kick", services: services === undefined ? undefined : meant.map(({ id }) => id), source, asked, later },
  ];
}

function probesOf(state: HealthState, services: readonly ServiceState[]): ReadonlySet<ProbeState> {
  const keys = services.flatMap(({ servers }) => servers.flatMap(({ checks }) => checks.map(({ key }) => key)));
  return new Set(keys.flatMap((key) => state.probes.get(key) ?? []));
}

/** When this kick's question may go out. A leaky bucket in one number: the instant at which it is empty again. */
function takeTurn(probe: ProbeState, now: Us): Us {
  const emptyAt = Math.max(probe.kicksSpentUntil ?? now, now) as Us;
  probe.kicksSpentUntil = after(emptyAt, EVERY);
  return Math.max(now, after(emptyAt, durationUs(-(AT_ONCE - 1) * EVERY))) as Us;
}
