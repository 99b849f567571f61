import type { Config, LvsConfig } from "../../config/types.ts";
import type { BorrowedSettings, HeldSetting, SettingOutcome } from "../../core/borrowedSettings.ts";
import { HoldfastError } from "../../core/errors.ts";
import type { Clock, Timers } from "../../core/interfaces.ts";
import { milliseconds, nextMultiple } from "../../core/units.ts";
import { type LossNeeds, lossNeeds } from "../../health/roleLoss.ts";
import {
  type FoundSyncDaemon,
  type SyncDaemon,
  type SyncKernel,
  type SyncRole,
  syncDaemonText,
  syncSteps,
} from "../../plan/syncDaemons.ts";
import type { DesiredService, IpvsTimeouts } from "../../plan/types.ts";
import type { StateName } from "../../vrrp/types.ts";
import type { EventLog } from "../events.ts";

/** The kernel as far as IPVS as a whole goes. */
export interface LvsKernel extends SyncKernel {
  timeouts(): IpvsTimeouts;
}

/** Remembers over a restart which threads of connection sync this instance started. */
export interface SyncRolesStore {
  readSyncRoles(): ReadonlySet<SyncRole>;
  writeSyncRoles(roles: ReadonlySet<SyncRole>): void;
}

export interface LvsSideModules {
  /** Called when something is to be asked or set; throws HoldfastError where there is no IPVS. */
  readonly open: () => LvsKernel;
  readonly settings: BorrowedSettings;
  readonly store: SyncRolesStore;
  readonly events: EventLog;
  readonly clock: Clock;
  readonly timers: Timers;
}

/** `holdfast status`: undefined where nothing of IPVS is used. */
export interface LvsStatus {
  /** Idle limits of the kernel now; undefined where they cannot be read. */
  readonly timeoutsSec: IpvsTimeouts | undefined;
  /** Threads of connection sync that run, whoever started them. */
  readonly syncDaemons: readonly FoundSyncDaemon[];
  /** The instance whose state they follow. */
  readonly syncFollows: string | undefined;
  /** Settings that are ours for now, with what they were before. */
  readonly settings: readonly HeldSetting[];
  readonly problems: readonly string[];
}

/** As often as the table: neither tells anybody when it is changed. */
const REPAIR_INTERVAL = milliseconds(2_000);
const SLOPPY_TCP = "ipv4/vs/sloppy_tcp";
const EXPIRE_NODEST = "ipv4/vs/expire_nodest_conn";
const EXPIRE_QUIESCENT = "ipv4/vs/expire_quiescent_template";
const ROLES: readonly SyncRole[] = ["master", "backup"];

/**
 * What holds for the host's IPVS as a whole, kept as the configuration, the VRRP states and the services want it: threads of
 * connection sync, idle limits, sysctls. A difference is written at once and looked for again every two seconds.
 */
export class LvsSide {
  readonly #modules: LvsSideModules;
  readonly #states = new Map<string, StateName>();
  readonly #programmed = new Map<SyncRole, SyncDaemon>();
  readonly #problems = new Map<string, string>();
  #kernel: LvsKernel | undefined;
  /** Read when first needed: a successor is made while its predecessor still writes. */
  #claimed: ReadonlySet<SyncRole> | undefined;
  #config: LvsConfig | undefined;
  #needs: LossNeeds = { resets: false, quiescence: false };
  #used = false;
  /** Undefined until the first table is wanted: what an earlier life has set stays so long. */
  #exclusiveTcp: boolean | undefined;
  #stopping = false;
  #disarm: () => void = () => undefined;

  constructor(modules: LvsSideModules) {
    this.#modules = modules;
  }

  /** At the start, in the place of a predecessor, and at a reload. */
  configure({ lvs, virtualServers }: Pick<Config, "lvs" | "virtualServers">): void {
    this.#config = lvs;
    this.#needs = lossNeeds(virtualServers);
    this.#used = virtualServers.length > 0 || lvs.syncDaemon !== undefined;
    this.#apply();
    this.#watch();
  }

  /** The states that a predecessor's instances are in: nobody is told of a transition. */
  adopt(states: Iterable<readonly [instance: string, state: StateName]>): void {
    for (const [instance, state] of states) this.#states.set(instance, state);
  }

  transition(instance: string, state: StateName): void {
    this.#states.set(instance, state);
    if (this.#config?.syncDaemon?.instance === instance) this.#applySync();
  }

  /** The VRRP worker was replaced: whatever it held was released, and every instance begins anew. */
  restarted(): void {
    this.#states.clear();
    this.#applySync();
  }

  /** The table that is wanted now. */
  serve(desired: readonly DesiredService[]): void {
    const exclusiveTcp = desired.some(({ exclusive, key }) => exclusive && key.protocol === "TCP");
    if (exclusiveTcp === this.#exclusiveTcp) return;
    this.#exclusiveTcp = exclusiveTcp;
    this.#applySettings();
  }

  /** From here an instance that leaves MASTER starts nothing new. */
  stopping(): void {
    this.#stopping = true;
    this.#disarm();
  }

  /** After the addresses are gone: nothing of ours runs, settings are what they were. */
  stop(): void {
    this.stopping();
    this.#apply();
  }

  /** For a successor: everything stays. */
  leave(): void {
    this.#disarm();
  }

  status(): LvsStatus | undefined {
    const { settings } = this.#modules;
    if (!this.#used) return undefined;
    const seen = this.#guarded("status", () => {
      const kernel = this.#open();
      return { timeoutsSec: kernel.timeouts(), syncDaemons: kernel.syncDaemons() };
    });
    return {
      timeoutsSec: seen?.timeoutsSec,
      syncDaemons: seen?.syncDaemons ?? [],
      syncFollows: this.#config?.syncDaemon?.instance,
      settings: settings.held(),
      problems: [...this.#problems.values()],
    };
  }

  #watch(): void {
    this.#disarm();
    // Nothing of IPVS is wanted, and nothing is left to give back.
    if (!this.#wantsAnything() && this.#modules.settings.held().length === 0 && this.#problems.size === 0) return;
    this.#disarm = this.#modules.timers.at(nextMultiple(REPAIR_INTERVAL, this.#modules.clock.nowUs()), () => {
      this.#apply();
      this.#watch();
    });
  }

  #wantsAnything(): boolean {
    const { timeoutsSec = {}, sloppyTcp } = this.#config ?? {};
    return this.#used || sloppyTcp === "on" || Object.values(timeoutsSec).some((value) => value !== undefined);
  }

  #apply(): void {
    this.#applySync();
    this.#applySettings();
  }

  /** What should run: the sending thread where the instance is MASTER, else the receiving one; without an instance both. */
  #wantedDaemons(): readonly SyncDaemon[] {
    const written = this.#config?.syncDaemon;
    if (written === undefined || this.#stopping) return [];
    const { instance, ...daemon } = written;
    if (instance === undefined) return ROLES.map((role) => ({ role, ...daemon }));
    return [{ role: this.#states.get(instance) === "MASTER" ? "master" : "backup", ...daemon }];
  }

  #applySync(): void {
    const { events } = this.#modules;
    const wanted = this.#wantedDaemons();
    const now = new Set(wanted.map(({ role }) => role));
    if (now.size === 0 && this.#ours().size === 0) return;
    this.#guarded("connection sync", () => {
      const kernel = this.#open();
      // With the keyword both are ours: one that somebody else left running in the other role would be a second opinion.
      const owned = this.#config?.syncDaemon === undefined ? this.#ours() : new Set(ROLES);
      // Claimed before it is started: a death in between must not leave one that nobody knows as ours.
      this.#claim(new Set([...this.#ours(), ...now]));
      const refused: string[] = [];
      for (const step of syncSteps(wanted, kernel.syncDaemons(), owned, this.#programmed)) {
        const outcome = kernel.performSync(step);
        const what = step.kind === "stop" ? `stopped ${step.role}` : `started ${syncDaemonText(step.daemon)}`;
        if (!outcome.ok) refused.push(`${what}: ${outcome.detail}`);
        else {
          if (step.kind === "start") this.#programmed.set(step.daemon.role, step.daemon);
          events.record("info", "connectionSync", `connection sync: ${what}`, { ...step });
        }
      }
      if (refused.length > 0) throw new HoldfastError("connectionSync", `refused: ${refused.join("; ")}`);
      this.#claim(now);
    });
  }

  #ours(): ReadonlySet<SyncRole> {
    this.#claimed ??= this.#modules.store.readSyncRoles();
    return this.#claimed;
  }

  #claim(roles: ReadonlySet<SyncRole>): void {
    const before = this.#ours();
    if (roles.size === before.size && [...roles].every((role) => before.has(role))) return;
    this.#modules.store.writeSyncRoles(roles);
    this.#claimed = roles;
  }

  #applySettings(): void {
    const { tcp, tcpfin, udp } = this.#config?.timeoutsSec ?? {};
    this.#setting("timeout tcp", tcp);
    this.#setting("timeout tcpfin", tcpfin);
    this.#setting("timeout udp", udp);
    this.#setting(EXPIRE_NODEST, this.#needs.resets ? 1 : undefined);
    this.#setting(EXPIRE_QUIESCENT, this.#needs.quiescence ? 1 : undefined);
    const sloppy = this.#wantsSloppyTcp();
    if (sloppy !== undefined) this.#setting(SLOPPY_TCP, sloppy ? 1 : undefined);
  }

  #wantsSloppyTcp(): boolean | undefined {
    if (this.#stopping) return false;
    return this.#config?.sloppyTcp === "auto" ? this.#exclusiveTcp : this.#config?.sloppyTcp === "on";
  }

  #setting(name: string, value: number | undefined): void {
    const { settings, events } = this.#modules;
    this.#guarded(name, () => {
      const wanted = value === undefined || this.#stopping ? undefined : String(value);
      const outcome: SettingOutcome = wanted === undefined ? settings.release(name) : settings.hold(name, wanted);
      if (!outcome.ok) throw new HoldfastError("settingRefused", outcome.detail);
      if (outcome.changed === undefined) return;
      const words =
        wanted === undefined
          ? `${name} is given back (was ${outcome.changed})`
          : `${name} is set to ${wanted} (was ${outcome.changed})`;
      events.record("info", "setting", words, { name, value: wanted, before: outcome.changed });
    });
  }

  #open(): LvsKernel {
    this.#kernel ??= this.#modules.open();
    return this.#kernel;
  }

  /** Trouble is told when it changes, not at every attempt. */
  #guarded<Value>(subject: string, work: () => Value): Value | undefined {
    const { events } = this.#modules;
    try {
      const value = work();
      if (this.#problems.delete(subject)) events.record("info", "lvsSolved", `IPVS, ${subject}: as it should be`, {});
      return value;
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      const message = `IPVS, ${subject}: ${error.message}`;
      if (this.#problems.get(subject) !== message) {
        this.#problems.set(subject, message);
        events.record("warn", "lvsProblem", message, { subject });
      }
      return undefined;
    }
  }
}
