import { HoldfastError } from "../core/errors.ts";
import type { Clock, Timers } from "../core/interfaces.ts";
import {
  after,
  between,
  type DurationUs,
  durationUs,
  milliseconds,
  nextMultiple,
  seconds,
  toSeconds,
  type Us,
} from "../core/units.ts";
import type { KernelRow, ServiceRows } from "../health/types.ts";
import { describeDifference } from "../plan/differences.ts";
import { destinationId, existingWeights, rowWeights, serviceId } from "../plan/keys.ts";
import { type ReconcileReport, reconcile } from "../plan/reconcile.ts";
import { RememberedTable } from "../plan/rememberedTable.ts";
import type {
  DesiredService,
  DestinationId,
  IpvsTable,
  Operation,
  Refusal,
  ServiceId,
  ServiceKey,
} from "../plan/types.ts";
import type { EventLog } from "./events.ts";

/** What made us write: a change of ours, or what somebody else did to our rows. */
export type ProgrammingCause = "start" | "change" | "reload" | "repair" | "resume";

/** Remembers over a restart which services this instance created. */
export interface OwnedServicesStore {
  readOwnedServices(): Set<ServiceId>;
  writeOwnedServices(owned: ReadonlySet<ServiceId>): void;
}

const DIFFERENCES_LOGGED_MAX = 20;
/** Behind a look passes so many times what it took: a table of many thousand rows is not read all the time. */
const REPAIR_REST = 19;
/** For each service and row in the table, whoever made it: a busy host puts off no look at a table of usual size. */
const REPAIR_REST_MAX_PER_ENTRY = milliseconds(6);
const REPAIR_REST_MAX = seconds(30);

/**
 * The only writer to the kernel's IPVS table. It makes the kernel's rows equal to the desired ones, after every change
 * and, since IPVS tells nobody about changes, every `repairInterval` or so again: what differs then is drift, logged and repaired.
 */
export class TableOwner {
  readonly #repairInterval: DurationUs;
  readonly #open: () => IpvsTable;
  readonly #store: OwnedServicesStore;
  readonly #events: EventLog;
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #drifts = new Map<ServiceId, number>();
  #table: RememberedTable | undefined;
  #owned: ReadonlySet<ServiceId>;
  /** `#owned` as the store has it. */
  #stored: ReadonlySet<ServiceId>;
  #existing: ReadonlyMap<ServiceId, unknown> = new Map();
  /** Of the services wanted last. */
  #wanted: { readonly keys: readonly ServiceKey[]; readonly ids: ReadonlySet<ServiceId> } = {
    keys: [],
    ids: new Set(),
  };
  #inSync = false;
  #lastProblem: string | undefined;
  #disarm: () => void = () => undefined;
  #pausedUntil: Us | undefined;
  #endPause: () => void = () => undefined;
  /** Undefined before the first programming. */
  #desired: (() => readonly DesiredService[]) | undefined;

  constructor(
    options: { readonly repairInterval: DurationUs },
    modules: {
      /** Called when IPVS is first needed: a host that only moves addresses may have a kernel without it. */
      readonly open: () => IpvsTable;
      readonly store: OwnedServicesStore;
      readonly events: EventLog;
      readonly clock: Clock;
      readonly timers: Timers;
    },
  ) {
    this.#repairInterval = options.repairInterval;
    this.#open = modules.open;
    this.#store = modules.store;
    this.#events = modules.events;
    this.#clock = modules.clock;
    this.#timers = modules.timers;
    this.#stored = modules.store.readOwnedServices();
    this.#owned = this.#stored;
  }

  /**
   * The weights of the table as an earlier life, keepalived or an administrator left it. Throws HoldfastError when
   * `services` or an earlier life need IPVS and the kernel has none.
   */
  existingWeights(services: readonly unknown[]): ReadonlyMap<ServiceId, ReadonlyMap<DestinationId, number>> {
    const weights = existingWeights(this.#tableFor(services)?.dump() ?? []);
    this.#existing = weights;
    return weights;
  }

  /**
   * As `existingWeights`, of some services alone, asked now: what a reload brings. Those that the kernel does not have are not in it.
   */
  weightsOf(services: readonly ServiceKey[]): ReadonlyMap<ServiceId, ReadonlyMap<DestinationId, number>> {
    const table = this.#tableFor(services);
    const weights = new Map<ServiceId, ReadonlyMap<DestinationId, number>>();
    for (const key of services) {
      const rows = table?.dumpDestinations(key);
      if (rows !== undefined) weights.set(serviceId(key), rowWeights(rows));
    }
    return weights;
  }

  /**
   * Takes every service of the kernel's table for ours, so that the next programming removes what is not wanted (`lvs_flush`,
   * `lvs_flush_on_stop`). Remembered with that programming only: a start that fails before it leaves foreign services to whoever
   * made them. Throws HoldfastError when the kernel has no IPVS.
   */
  claimEverything(): void {
    this.#table ??= new RememberedTable(this.#open());
    this.#owned = new Set([...this.#owned, ...existingWeights(this.#table.dump()).keys()]);
  }

  hasExisting(desired: readonly DesiredService[]): boolean {
    return desired.some((service) => this.#existing.has(serviceId(service.key)));
  }

  /** Makes the table what is wanted, now: the kernel has applied it when this returns. Trouble is logged and tried again by `watch`. */
  program(desired: readonly DesiredService[], cause: ProgrammingCause): void {
    if (this.#pausedUntil !== undefined) {
      // What is wanted is not looked at, so it is not known to be there.
      this.#inSync = false;
      return;
    }
    const wanted = this.#idsOf(desired);
    try {
      const table = this.#tableFor(desired);
      if (table === undefined) return;
      // A change of ours is written on top of what we know; what others did is looked for at a start and by the repair.
      if (cause === "start" || cause === "repair" || cause === "resume") table.forget();
      // Claimed before it is created: a crash in between must not leave a row that nobody knows as ours.
      this.#claim(wanted === this.#owned ? wanted : new Set([...this.#owned, ...wanted]));
      const report = reconcile(table, desired, this.#owned);
      this.#inSync = report.inSync;
      this.#tell(report, cause);
      if (report.inSync) this.#claim(wanted);
    } catch (error) {
      this.#inSync = false;
      this.#problem(error instanceof HoldfastError ? error.message : String(error));
      if (!(error instanceof HoldfastError)) throw error;
    }
  }

  /** Compares and repairs every `repairInterval` until `clear`, a large table less often where a look takes long. */
  watch(desired: () => readonly DesiredService[]): void {
    this.#watchAfter(desired, durationUs(0));
  }

  #watchAfter(desired: () => readonly DesiredService[], spare: DurationUs): void {
    this.#desired = desired;
    const earliest = after(this.#clock.nowUs(), durationUs(Math.max(0, spare - 1)));
    this.#disarm = this.#timers.at(nextMultiple(this.#repairInterval, earliest), () => {
      const began = this.#clock.nowUs();
      this.program(desired(), "repair");
      const took = between(began, this.#clock.nowUs());
      // What is not as it should be is tried again soon, however long the kernel did not answer.
      this.#watchAfter(desired, this.#inSync ? this.#restBehind(took) : durationUs(0));
    });
  }

  /** How long the table is left alone behind a look that took so long and found all well. */
  #restBehind(took: DurationUs): DurationUs {
    const entries = this.#table?.entriesDumped ?? 0;
    return durationUs(Math.min(REPAIR_REST * took, REPAIR_REST_MAX_PER_ENTRY * entries, REPAIR_REST_MAX));
  }

  /** Until when the table is left to an administrator; undefined = it is ours. */
  get pausedUntil(): Us | undefined {
    return this.#pausedUntil;
  }

  /**
   * Leaves the table to an administrator until an instant: nothing is repaired and nothing programmed, whatever the
   * checks say. It ends by itself, or at once with undefined; then the table is made what is wanted.
   */
  pauseRepair(until: Us | undefined): void {
    this.#endPause();
    const paused = this.#pausedUntil !== undefined;
    this.#pausedUntil = until;
    if (until !== undefined) {
      const span = Math.round(toSeconds(between(this.#clock.nowUs(), until)));
      const words = `for ${span} s the kernel's table is left to an administrator: nothing is repaired or programmed`;
      this.#events.record("warn", "repairPaused", words, { seconds: span });
      this.#endPause = this.#timers.at(until, () => this.pauseRepair(undefined));
    } else if (paused) {
      this.#endPause = () => undefined;
      this.#events.record("info", "repairResumed", "the kernel's table is repaired and programmed again", {});
      if (this.#desired !== undefined) this.program(this.#desired(), "resume");
    }
  }

  /** Ends watching; the table stays as it is, for a successor, whatever becomes of a pause. */
  leave(): void {
    this.#disarm();
    this.#endPause();
    this.#desired = undefined;
  }

  /** Ends watching and removes our services, as keepalived does when it stops. Foreign rows stay, unless `everything` goes. */
  clear(everything = false): void {
    this.leave();
    this.#pausedUntil = undefined;
    try {
      if (everything) this.claimEverything();
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      this.#problem(error.message);
    }
    this.program([], "change");
  }

  serviceState(service: ServiceId): { readonly drifts: number; readonly inSync: boolean } {
    return { drifts: this.#drifts.get(service) ?? 0, inSync: this.#inSync };
  }

  /** What the kernel has of these services, asked now; undefined when it cannot be asked. */
  rows(services: readonly ServiceKey[]): ServiceRows | undefined {
    const table = this.#table;
    if (table === undefined) return undefined;
    const rows = new Map<ServiceId, Map<DestinationId, KernelRow>>();
    try {
      for (const key of services) {
        const found = table.dumpDestinations(key);
        const entries = (found ?? []).map((row): [DestinationId, KernelRow] => [
          destinationId(row),
          { weight: row.weight, connections: row.activeConnections + row.inactiveConnections },
        ]);
        rows.set(serviceId(key), new Map(entries));
      }
      return rows;
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      this.#problem(error.message);
      return undefined;
    }
  }

  /** Undefined where neither the configuration nor an earlier life needs IPVS. */
  #tableFor(services: readonly unknown[]): RememberedTable | undefined {
    if (this.#table === undefined && (services.length > 0 || this.#owned.size > 0))
      this.#table = new RememberedTable(this.#open());
    return this.#table;
  }

  #claim(owned: ReadonlySet<ServiceId>): void {
    this.#owned = owned;
    if (owned === this.#stored) return;
    const known = owned.size === this.#stored.size && [...owned].every((id) => this.#stored.has(id));
    if (!known) this.#store.writeOwnedServices(owned);
    this.#stored = owned;
  }

  /** The same set as for the last ones where the services are the same: nearly always, and there may be thousands. */
  #idsOf(desired: readonly DesiredService[]): ReadonlySet<ServiceId> {
    const { keys, ids } = this.#wanted;
    if (desired.length === keys.length && desired.every(({ key }, index) => key === keys[index])) return ids;
    const wanted = desired.map(({ key }) => key);
    this.#wanted = { keys: wanted, ids: new Set(wanted.map(serviceId)) };
    return this.#wanted.ids;
  }

  #tell(report: ReconcileReport, cause: ProgrammingCause): void {
    if (report.differences.length > 0) {
      const drift = cause === "repair" && this.#lastProblem === undefined;
      if (drift) this.#countDrift(report);
      const found = report.differences.slice(0, DIFFERENCES_LOGGED_MAX).map(describeDifference);
      this.#events.record(
        drift ? "warn" : "info",
        drift ? "drift" : "programmed",
        drift
          ? `somebody changed the kernel's table; repaired: ${found.join("; ")}`
          : `kernel table written (${cause}): ${summary(report.done)}`,
        { cause, differences: report.differences.length, found, operations: report.done.length, rounds: report.rounds },
      );
    }
    const refused = report.errors.map(describeError);
    if (report.inSync) this.#solved();
    else
      this.#problem(
        refused.length > 0
          ? refused.slice(0, DIFFERENCES_LOGGED_MAX).join("; ")
          : "the kernel's table keeps changing under our writes",
      );
  }

  /** Logged when it changes, not at every attempt. */
  #problem(message: string): void {
    if (message === this.#lastProblem) return;
    this.#lastProblem = message;
    this.#events.record("error", "notInSync", `the kernel's table is not as it should be: ${message}`, {});
  }

  #solved(): void {
    if (this.#lastProblem === undefined) return;
    this.#lastProblem = undefined;
    this.#events.record("info", "inSyncAgain", "the kernel's table is as it should be again", {});
  }

  #countDrift(report: ReconcileReport): void {
    for (const id of new Set(report.differences.map((difference) => serviceId(difference.service)))) {
      this.#drifts.set(id, (this.#drifts.get(id) ?? 0) + 1);
    }
  }
}

function describeError(error: Refusal): string {
  return `${error.operation.kind} ${serviceId(error.operation.service)}: ${error.message} (errno ${error.errno})`;
}

/** Counts of each kind: what was found is in the event's fields. */
function summary(operations: readonly Operation[]): string {
  const counts = new Map<string, number>();
  for (const { kind } of operations) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return [...counts].map(([kind, count]) => `${kind} ${count}`).join(", ") || "nothing";
}
