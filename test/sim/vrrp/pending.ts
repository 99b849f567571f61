import type { VrrpInstanceConfig } from "../../../src/config/vrrp.types.ts";
import { heldBy } from "./checkers/addresses.ts";
import { preempts, type Seat } from "./seat.ts";
import type { World } from "./world.ts";

/** What has not converged, in words; nothing when every virtual router is as it should be. */
export function pending(world: World): string[] {
  const waiting: string[] = [];
  for (const router of world.routers) {
    if (router.process?.released !== true) waiting.push(`${router.name} does not take part`);
  }
  for (const [name, all] of world.seatsByInstance) {
    const seats = all.filter((seat) => seat.config !== undefined);
    if (seats.length > 0) waiting.push(...pendingOf(world, name, seats));
  }
  return waiting;
}

/** The longest that everything may take after the last fault, in microseconds. */
export function boundUs(world: World): number {
  const delay = longest(world, ({ preemptDelay }) => preemptDelay);
  // FAULT that is tried again, twice; and what adverts in flight put off.
  return 2 * waitUs(world) + delay + 2 * 10e6 + 10e6;
}

/** The longest that anybody listens before it takes over, in microseconds. */
export function waitUs(world: World): number {
  return longest(world, (config) => config.downTimerAdverts * Math.max(config.advertInterval, 3e6) + 1e6);
}

function longest(world: World, ofInstance: (config: VrrpInstanceConfig) => number): number {
  return Math.max(0, ...world.seats.flatMap(({ config }) => (config === undefined ? [] : [ofInstance(config)])));
}

function pendingOf(world: World, name: string, seats: readonly Seat[]): string[] {
  const waiting: string[] = [];
  const masters = seats.filter((seat) => seat.state === "MASTER");
  const able = seats.filter((seat) => !world.isHeldBack(seat));
  if (masters.length === 0 && able.length > 0) waiting.push(`${name} has no MASTER: ${states(seats)}`);
  if (masters.length > 1) waiting.push(`${name} has ${masters.length} MASTERs: ${states(seats)}`);
  for (const seat of seats) {
    if (seat.state !== "MASTER" && heldBy(seat) !== undefined)
      waiting.push(`${seat.label} is ${seat.state} and has ${heldBy(seat)}`);
    if (seat.state === "MASTER") waiting.push(...missing(seat));
    if (seat.state === "INIT" || (seat.state === "FAULT" && !mayStayInFault(world, seat, masters.length > 0)))
      waiting.push(`${seat.label} is ${seat.state} because of ${seat.reason}`);
  }
  const [master] = masters;
  if (master === undefined) return waiting;
  const better = able.find((seat) => !staysInFault(seat) && shouldPreempt(seat, master));
  if (better !== undefined)
    waiting.push(`${better.label} (${better.priority}) should have preempted ${master.label} (${master.priority})`);
  return waiting;
}

/** A sync group preempts only where each of its members would: else the first to come is left in peace. */
function shouldPreempt(seat: Seat, master: Seat): boolean {
  if (seat.group === undefined) return isBetter(seat, master);
  return seat.groupMembers.every((member) => {
    const other = master.router.seats.get(member.name);
    return other?.state === "MASTER" && isBetter(member, other);
  });
}

function isBetter({ config, priority }: Seat, master: Seat): boolean {
  return config !== undefined && preempts(config) && priority > master.priority;
}

/** Not meant to be anything else, or only tried again when nobody else does the work. */
function mayStayInFault(world: World, seat: Seat, somebodyElse: boolean): boolean {
  return world.isHeldBack(seat) || (somebodyElse && staysInFault(seat));
}

/** A fault whose end nobody can know is only tried again while nobody else does the work; its sync group waits with it. */
function staysInFault(seat: Seat): boolean {
  return seat.group === undefined ? isTriedAgain(seat) : seat.groupMembers.some(isTriedAgain);
}

function isTriedAgain({ state, reason }: Seat): boolean {
  return state === "FAULT" && reason !== undefined && TRIED_AGAIN.has(reason);
}

const TRIED_AGAIN: ReadonlySet<string> = new Set(["addressesNotAdded", "addressesTakenByOthers", "advertsNotSent"]);

function missing({ config, router, label }: Seat): string[] {
  if (config === undefined) return [];
  const vips = [...config.virtualAddresses, ...config.excludedAddresses];
  return vips
    .filter((vip) => !router.kernel.named(vip.device)?.addresses.some((own) => own.ip === vip.address))
    .map((vip) => `${label} is MASTER without ${vip.address}`);
}

function states(seats: readonly Seat[]): string {
  return seats.map((seat) => `${seat.router.name} ${seat.state}`).join(", ");
}
