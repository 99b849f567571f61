import type { Ip } from "../../core/ip.ts";
import { after, between, type DurationUs, milliseconds, seconds, type Us } from "../../core/units.ts";
import { ADDRESS_BATCH_MAX } from "../../io/hostNetwork.ts";
import { NetlinkError } from "../../io/netlinkSocket.ts";
import { type HostAddress, type HostInterface, IndexedView } from "./hostView.ts";
import {
  asLease,
  type Lease,
  type LeasePlan,
  leaseKey,
  preferredSec,
  takenAlong,
  UNLIMITED_LIFETIME_SEC,
} from "./leases.ts";
import type { AddressChange, VrrpHost } from "./ports.ts";
import type { WorkerAlarm } from "./protocol.ts";
import type { ProgramOutcome } from "./runEffects.ts";
import type { HeldLease } from "./surrender.ts";

/** Errors of a removal that mean: it is not there. */
const GONE: ReadonlySet<string> = new Set(["EADDRNOTAVAIL", "ENODEV"]);
/** A slice of work between two looks at the clock: an advert that is due waits for no longer. */
const SLICE_TARGET: DurationUs = milliseconds(2);
const SLICE_MIN = 8;
/** With shorter intervals not every advert needs a refresh behind it: the kernel counts leases in whole seconds. */
const REFRESH_INTERVAL: DurationUs = milliseconds(500);

const NO_LEASES: readonly Lease[] = [];

export interface HolderModules {
  readonly host: VrrpHost;
  readonly view: () => IndexedView;
  readonly alarm: (alarm: WorkerAlarm) => void;
  /** Addresses were set: older views do not show them. */
  readonly changed: () => void;
  /** Leases that another slice than the first of a term has created. */
  readonly added: (leases: readonly Lease[]) => void;
}

export interface LeaseTiming {
  readonly validSec: number;
  readonly advertInterval: DurationUs;
}

/** A lease with its `leaseKey`. */
interface Keyed {
  readonly key: string;
  readonly lease: Lease;
}

/** Leases to be set behind one advert. */
interface Work {
  readonly leases: readonly Keyed[];
  next: number;
  readonly timing: LeaseTiming;
  readonly advertSentAt: Us;
}

/**
 * The leases of one instance in the kernel. They are created and refreshed in slices, so that hundreds of slow ones
 * (IPv6) keep no advert waiting; every slice must begin within a quarter of the interval after the advert that it belongs
 * to, since a refresh creates what is gone: a stall between the two must not put back what a peer has taken.
 */
export class LeaseHolder {
  readonly #held = new Map<string, HeldLease>();
  /** Not tracked and taken by others: left alone until the next term. */
  readonly #abandoned = new Set<string>();
  #plans: readonly LeasePlan[] = [];
  /** Of `#plans`, what is to be held; without the abandoned ones. */
  #planned: readonly Keyed[] = [];
  /** Of `#plans`, why nothing can be held. */
  #missingDevice: ProgramOutcome | undefined;
  /** For this plan and this revision nothing is held that should not be. */
  #cleanFor: { planned: readonly Keyed[]; revision: number } | undefined;
  /** From `add` until everything planned has been created. */
  #adding = false;
  #work: Work | undefined;
  #sliceSize = ADDRESS_BATCH_MAX;
  #revision = 0;
  readonly #modules: HolderModules;

  constructor(modules: HolderModules) {
    this.#modules = modules;
  }

  /** Another number whenever what is held is another thing. */
  get revision(): number {
    return this.#revision;
  }

  get held(): readonly Lease[] {
    return [...this.#held.values()].map(({ lease }) => lease);
  }

  /** What a successor takes over. */
  get surrendered(): readonly HeldLease[] {
    return [...this.#held.values()];
  }

  /** What a predecessor held, and is in the kernel, is ours from now on. */
  adopt(held: readonly HeldLease[], plans: readonly LeasePlan[]): void {
    this.#follow(plans, true);
    for (const one of held) this.#held.set(leaseKey(one.lease), one);
    this.#revision += 1;
  }

  /** Whether slices wait for their turn. */
  get busy(): boolean {
    return this.#work !== undefined;
  }

  /** A term begins or its plan changed: sets everything planned. The first slice is done when this returns. */
  add(plans: readonly LeasePlan[], timing: LeaseTiming, advertSentAt: Us): ProgramOutcome {
    this.#abandoned.clear();
    this.#adding = true;
    const failure = this.#follow(plans, true);
    if (failure !== undefined) return failure;
    return this.#run({ leases: this.#planned, next: 0, timing, advertSentAt }, false);
  }

  /** Behind an advert: creates what is missing, then refreshes what is old enough. The first slice is done when this returns. */
  refresh(plans: readonly LeasePlan[], timing: LeaseTiming, advertSentAt: Us): ProgramOutcome {
    const failure = this.#follow(plans, false);
    if (failure !== undefined) return failure;
    const missing: Keyed[] = [];
    const old: Keyed[] = [];
    for (const keyed of this.#planned) {
      const held = this.#held.get(keyed.key);
      if (held === undefined) missing.push(keyed);
      else if (isOld(held, timing, advertSentAt)) old.push(keyed);
    }
    const leases = missing.length === 0 ? old : [...missing, ...old];
    return this.#run({ leases, next: 0, timing, advertSentAt }, true);
  }

  /** The next slice. */
  continue(): ProgramOutcome {
    return this.#work === undefined ? { kind: "done", added: false } : this.#run(this.#work, true);
  }

  /** Removes everything that we hold, except what the host has made its own meanwhile. */
  release(): void {
    this.#work = undefined;
    this.#adding = false;
    this.releaseOnly(() => true);
  }

  /** Removes the held leases for which `doomed` says so. */
  releaseOnly(doomed: (lease: Lease) => boolean): void {
    const view = this.#modules.view();
    const leaving = this.held.filter(doomed);
    for (const lease of leaving) this.#forget(leaseKey(lease));
    this.#delete(
      leaving.filter((lease) => view.address(lease.linkIndex, lease.address, lease.prefixLength)?.permanent !== true),
    );
  }

  /** Held leases that a fresh view does not show; they are not held any more. Those that are not tracked are only forgotten. */
  forgetMissing(view: IndexedView): readonly Lease[] {
    const missing: Lease[] = [];
    for (const [key, { lease }] of this.#held) {
      if (view.address(lease.linkIndex, lease.address, lease.prefixLength) !== undefined) continue;
      this.#forget(key);
      if (this.#isTracked(key)) missing.push(lease);
      else this.#abandoned.add(key);
    }
    if (this.#abandoned.size > 0) this.#planned = this.#plannedNow();
    return missing;
  }

  holds(address: Ip, device: string): boolean {
    for (const { lease } of this.#held.values()) {
      if (lease.address === address && lease.device === device) return true;
    }
    return false;
  }

  #forget(key: string): void {
    if (this.#held.delete(key)) this.#revision += 1;
  }

  #isTracked(key: string): boolean {
    return !this.#plans.some((plan) => plan.kind === "lease" && plan.noTrack && leaseKey(plan.lease) === key);
  }

  #follow(plans: readonly LeasePlan[], always: boolean): ProgramOutcome | undefined {
    if (plans === this.#plans && !always) return this.#missingDevice;
    this.#plans = plans;
    this.#planned = this.#plannedNow();
    const missing = plans.find((plan) => plan.kind === "deviceMissing");
    this.#missingDevice =
      missing === undefined
        ? undefined
        : { kind: "failed", detail: `${missing.address}: device ${missing.device} is missing` };
    return this.#missingDevice;
  }

  #plannedNow(): readonly Keyed[] {
    return this.#plans
      .flatMap((plan) => (plan.kind === "lease" ? [{ key: leaseKey(plan.lease), lease: plan.lease }] : []))
      .filter(({ key }) => !this.#abandoned.has(key));
  }

  /** One slice of this work. `tells`: no announcement of the machine's own is sure to follow, so new leases are told by `added`. */
  #run(work: Work, tells: boolean): ProgramOutcome {
    const { host, added } = this.#modules;
    this.#work = undefined;
    const startedAt = host.clock.nowUs();
    if (work.next < work.leases.length && between(work.advertSentAt, startedAt) > work.timing.advertInterval / 4) {
      // The rest is left to the next advert. What lapses before that is announced when it is put back.
      return { kind: this.#lapses(work, startedAt) ? "tooLate" : "waiting" };
    }
    const slice = work.leases.slice(work.next, work.next + this.#sliceSize);
    const fresh = tells ? this.#newIn(slice) : NO_LEASES;
    const failure = this.#set(slice, work);
    if (failure !== undefined) return { kind: "failed", detail: failure };
    this.#adaptSliceSize(slice.length, between(startedAt, host.clock.nowUs()));
    if (fresh.length > 0) added(fresh);
    work.next += slice.length;
    if (work.next < work.leases.length) {
      this.#work = work;
      return { kind: "waiting" };
    }
    this.#removeStale();
    const finished = this.#adding;
    this.#adding = false;
    return { kind: "done", added: finished };
  }

  /** Addresses that are not held yet on their device, whatever their prefix. */
  #newIn(slice: readonly Keyed[]): readonly Lease[] {
    if (slice.every(({ key }) => this.#held.has(key))) return NO_LEASES;
    const held = new Set([...this.#held.values()].map(({ lease }) => `${lease.linkIndex} ${lease.address}`));
    return slice.map(({ lease }) => lease).filter(({ linkIndex, address }) => !held.has(`${linkIndex} ${address}`));
  }

  #lapses({ leases, next, timing }: Work, now: Us): boolean {
    const nextAdvertAt = after(now, timing.advertInterval);
    return leases.slice(next).some(({ key }) => {
      const held = this.#held.get(key);
      return held !== undefined && nextAdvertAt >= after(held.refreshedAt, seconds(timing.validSec));
    });
  }

  #adaptSliceSize(count: number, took: DurationUs): void {
    if (count < this.#sliceSize && took <= SLICE_TARGET) return;
    const wanted = took <= 0 ? ADDRESS_BATCH_MAX : Math.floor((count * SLICE_TARGET) / took);
    this.#sliceSize = Math.max(SLICE_MIN, Math.min(ADDRESS_BATCH_MAX, wanted, this.#sliceSize * 2));
  }

  /** A lease that is programmed otherwise now, for example narrower since the device got an address of its subnet. */
  #removeStale(): void {
    const planned = this.#planned;
    if (this.#cleanFor?.planned === planned && this.#cleanFor.revision === this.#revision) return;
    const wanted = new Set(planned.map(({ key }) => key));
    this.#cleanFor = { planned, revision: this.#revision };
    if (wanted.size === this.#held.size && [...this.#held.keys()].every((key) => wanted.has(key))) return;
    const permanent = new Set(this.#plans.flatMap((plan) => (plan.kind === "permanent" ? [plan.address] : [])));
    const stale = this.held.filter((lease) => !wanted.has(leaseKey(lease)));
    for (const lease of stale) this.#forget(leaseKey(lease));
    this.#delete(stale.filter((lease) => !permanent.has(lease.address)));
  }

  /** One batch; returns what failed, in words. */
  #set(batch: readonly Keyed[], { timing, advertSentAt }: Work): string | undefined {
    if (batch.length === 0) return undefined;
    const { host, alarm } = this.#modules;
    const { validSec } = timing;
    const outcomes = host.applyAddresses(
      batch.map(({ lease }) => ({
        kind: "set",
        lease,
        validSec,
        preferredSec: preferredSec(lease.options.preferredLifetime, validSec),
      })),
    );
    this.#modules.changed();
    const failures: string[] = [];
    let fresh: IndexedView | "interrupted" | undefined;
    for (let index = 0; index < batch.length; index++) {
      const { key, lease } = batch[index] as Keyed;
      const outcome = outcomes[index];
      let code = outcome === undefined ? "unknown" : outcome.ok ? undefined : outcome.code;
      if (code === "unknown") {
        // The answer was lost, perhaps not the request: look.
        fresh ??= this.#look();
        if (fresh === "interrupted") this.#held.set(key, { lease, validSec, refreshedAt: advertSentAt });
        else if (fresh.address(lease.linkIndex, lease.address, lease.prefixLength) !== undefined) code = undefined;
      }
      if (code === undefined) {
        if (!this.#held.has(key)) this.#revision += 1;
        this.#held.set(key, { lease, validSec, refreshedAt: advertSentAt });
        continue;
      }
      failures.push(`${lease.address}/${lease.prefixLength} dev ${lease.device}: ${code}`);
      alarm({ kind: "addressOperationFailed", address: lease.address, device: lease.device, detail: code });
    }
    return failures.length === 0 ? undefined : failures.join("; ");
  }

  /** `interrupted`: it may be there or not. Such a lease counts as failed, and is removed with the others. */
  #look(): IndexedView | "interrupted" {
    try {
      return new IndexedView(this.#modules.host.view());
    } catch (error) {
      if (error instanceof NetlinkError && error.code === "netlinkDumpInterrupted") return "interrupted";
      throw error;
    }
  }

  #delete(leases: readonly Lease[]): void {
    if (leases.length === 0) return;
    const { host, view, alarm } = this.#modules;
    for (const { lease, detail } of deleteLeases(host, view(), leases, this.held)) {
      // What was not removed is taken by its lease's end; until then two hosts may have it.
      alarm({ kind: "addressOperationFailed", address: lease.address, device: lease.device, detail });
    }
  }
}

/** Whether a lease is to be renewed. One without an end needs it only to get that, or to lose it. */
function isOld({ validSec, refreshedAt }: HeldLease, timing: LeaseTiming, advertSentAt: Us): boolean {
  if (validSec !== timing.validSec) return true;
  if (validSec === UNLIMITED_LIFETIME_SEC) return false;
  return between(refreshedAt, advertSentAt) >= Math.min(REFRESH_INTERVAL, timing.advertInterval / 2);
}

/** An operation on an address that failed, in words. */
interface AddressFailure {
  readonly lease: Lease;
  readonly detail: string;
}

/** Deletes leases, also those of an earlier life; puts back what the kernel takes along. `staying`: what of ours is to be there. */
export function deleteLeases(
  host: VrrpHost,
  view: IndexedView,
  leases: readonly Lease[],
  staying: readonly Lease[],
): readonly AddressFailure[] {
  const changes = removals(leases, view, staying);
  const failures: AddressFailure[] = [];
  for (let at = 0; at < changes.length; at += ADDRESS_BATCH_MAX) {
    const batch = changes.slice(at, at + ADDRESS_BATCH_MAX);
    const outcomes = host.applyAddresses(batch);
    for (const [index, change] of batch.entries()) {
      const outcome = outcomes[index];
      const code = outcome === undefined ? "unknown" : outcome.ok ? undefined : outcome.code;
      if (code === undefined || (change.kind === "delete" && GONE.has(code))) continue;
      failures.push({ lease: change.lease, detail: `${change.kind === "delete" ? "remove" : "put back"}: ${code}` });
    }
  }
  return failures;
}

/** What deletes these leases, and puts back what the kernel takes along. `staying`: what of ours is to be there. */
export function removals(leases: readonly Lease[], view: IndexedView, staying: readonly Lease[]): AddressChange[] {
  const leaving = new Set(leases.map(({ address }) => address));
  const ours = new Map(staying.map((lease) => [leaseKey(lease), lease]));
  return leases.flatMap((lease) => {
    const link = view.byIndex(lease.linkIndex);
    const back =
      link === undefined ? [] : takenAlong(lease, link).flatMap((other) => putBack(other, link, leaving, ours));
    return [{ kind: "delete", lease }, ...back];
  });
}

/** None where it is to go too: what is left of ours with another prefix is not ours to keep, what is permanent is the host's. */
function putBack(
  other: HostAddress,
  link: HostInterface,
  leaving: ReadonlySet<Ip>,
  ours: ReadonlyMap<string, Lease>,
): AddressChange[] {
  // Behind a reload an address may leave with one prefix and stay with another.
  const lease = ours.get(leaseKey({ address: other.ip, linkIndex: link.index, prefixLength: other.prefixLength }));
  if (lease !== undefined) {
    const validSec = other.validSec ?? UNLIMITED_LIFETIME_SEC;
    return [{ kind: "set", lease, validSec, preferredSec: preferredSec(lease.options.preferredLifetime, validSec) }];
  }
  if (leaving.has(other.ip) && !other.permanent) return [];
  return [{ kind: "putBack", lease: asLease(other, link), validSec: other.validSec }];
}
