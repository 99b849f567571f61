import type { Config } from "../config/types.ts";
import { HoldfastError } from "../core/errors.ts";
import type { HealthEvent } from "../health/types.ts";
import type { DestinationId, ServiceId } from "../plan/types.ts";
import type { Transition, VrrpAlarm } from "../vrrp/types.ts";
import type { VrrpHandle, VrrpListener } from "../workers/vrrp/handle.types.ts";
import type { WorkerAlarm } from "../workers/vrrp/protocol.ts";
import type { DaemonStatus } from "./control.types.ts";
import type { EventLog } from "./events.ts";
import type { HealthDriver, HealthListener } from "./healthDriver.ts";
import { describeHealthEvent, describeTransition, describeVrrpAlarm } from "./messages.ts";
import { serviceStatuses } from "./statusView.ts";
import type { TableOwner } from "./tableOwner.ts";

export interface DaemonOptions {
  readonly version: string;
  readonly configFile: string;
  readonly config: Config;
}

export interface DaemonModules {
  readonly events: EventLog;
  readonly table: TableOwner;
  /** Built by the caller around the listener that the daemon gives, so that neither needs the other first. */
  readonly createVrrp: (listener: VrrpListener) => VrrpHandle;
  readonly createHealth: (listener: HealthListener) => HealthDriver;
  readonly wallMs: () => number;
  /** sd_notify(3) */
  readonly notify: (state: string) => void;
  /** Reads and checks the file again: the new configuration, or why it is refused. */
  readonly load: () =>
    | { readonly ok: true; readonly config: Config }
    | { readonly ok: false; readonly message: string };
}

const STOPPING = { ok: false, message: "holdfast is stopping" } as const;

/**
 * Owner of configuration, roles and weights. Start, reload and repair are one path: configuration and verdicts give the
 * desired table, the table's owner makes the kernel's equal to it. VRRP runs beside it and waits only once, for the
 * first programming.
 */
export class Daemon {
  readonly #options: DaemonOptions;
  readonly #modules: DaemonModules;
  readonly #vrrp: VrrpHandle;
  readonly #health: HealthDriver;
  readonly #startedAtMs: number;
  #config: Config;
  #loadedAtMs: number;
  #lastError: string | undefined;
  #programmedOnce = false;
  #listening = false;
  #stopping: Promise<void> | undefined;
  /** Reloads run one after the other; the last one wins. */
  #reloading: Promise<void> = Promise.resolve();

  constructor(options: DaemonOptions, modules: DaemonModules) {
    this.#options = options;
    this.#modules = modules;
    this.#config = options.config;
    this.#startedAtMs = modules.wallMs();
    this.#loadedAtMs = this.#startedAtMs;
    this.#vrrp = modules.createVrrp({
      onTransition: (instance, transition) => this.#recordTransition(instance, transition),
      onGroupTransition: (group, change) =>
        modules.events.record("info", "groupTransition", `${group}: ${change.from} -> ${change.to}: ${change.reason}`, {
          group,
          ...change,
        }),
      onLowerPriority: (instance, { peer, priority }) =>
        modules.events.record("info", "lowerPriorityHeard", `${instance}: ${peer} advertises priority ${priority}`, {
          instance,
          peer,
          priority,
        }),
      onPriorityChanged: (instance, { priority, state }) =>
        modules.events.record("info", "priorityChanged", `${instance}: effective priority ${priority} (${state})`, {
          instance,
          priority,
          state,
        }),
      onDeleted: (instance) =>
        modules.events.record("info", "instanceDeleted", `${instance}: not in the new configuration`, { instance }),
      onAlarm: (instance, alarm) => this.#recordAlarm(instance, alarm),
      onRestart: (cause) =>
        modules.events.record(
          "error",
          "vrrpWorkerRestarted",
          `the VRRP worker died (${cause}); its addresses were released and it was started again`,
          {
            cause,
          },
        ),
    });
    this.#health = modules.createHealth({
      onTableChanged: () => this.#tableChanged(),
      onFirstVerdicts: () => this.#firstProgramming(),
      onEvent: (event) => this.#recordHealth(event),
    });
  }

  /** Resolves when VRRP listens and probes run; the election begins by itself after the first programming. */
  async start(): Promise<void> {
    const existing = this.#modules.table.existingWeights(this.#config.virtualServers);
    const listening = this.#vrrp.start(this.#config.vrrp);
    this.#health.configure(this.#config.virtualServers, existing);
    try {
      await listening;
    } catch (error) {
      this.#health.stop();
      throw error;
    }
    // A signal may have come meanwhile: what stops must not take part in an election.
    if (this.#stopping !== undefined) return;
    this.#listening = true;
    this.#releaseWhenReady();
    this.#modules.events.record(
      "info",
      "started",
      `holdfast ${this.#options.version} runs with ${this.#options.configFile}`,
      {
        instances: this.#config.vrrp.instances.length,
        services: this.#config.virtualServers.length,
      },
    );
  }

  /** Reads the file again. A refused one changes nothing; the message says why. */
  reload(): Promise<{ readonly ok: true } | { readonly ok: false; readonly message: string }> {
    const result = this.#reloading.then(() => this.#reloadNow());
    this.#reloading = result.then(
      () => undefined,
      () => undefined,
    );
    return result;
  }

  async status(): Promise<DaemonStatus> {
    const vrrp = await this.#vrrp.status();
    return {
      version: this.#options.version,
      processId: process.pid,
      startedAtMs: this.#startedAtMs,
      configuration: { file: this.#options.configFile, loadedAtMs: this.#loadedAtMs, lastError: this.#lastError },
      vrrp,
      services: serviceStatuses(this.#config.virtualServers, this.#health.view(), this.#modules.table),
      events: this.#modules.events.latest(),
    };
  }

  /** Addresses first, then priority 0, then our rows of the table. Idempotent. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stopNow();
    return this.#stopping;
  }

  async #stopNow(): Promise<void> {
    this.#modules.notify("STOPPING=1");
    this.#health.stop();
    await this.#vrrp.stop();
    this.#modules.table.clear();
    this.#modules.events.record("info", "stopped", "addresses, masters' roles and services are released", {});
  }

  async #reloadNow(): Promise<{ readonly ok: true } | { readonly ok: false; readonly message: string }> {
    if (this.#stopping !== undefined) return STOPPING;
    this.#modules.notify(`RELOADING=1\nMONOTONIC_USEC=${process.hrtime.bigint() / 1_000n}`);
    const loaded = this.#load();
    if (!loaded.ok) return this.#refuseReload(loaded.message);
    try {
      // VRRP first: when its worker does not survive the new instances, it goes on with the old ones, and so does all else.
      await this.#vrrp.configure(loaded.config.vrrp);
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      return this.#stopping === undefined ? this.#refuseReload(error.message) : STOPPING;
    }
    // The end may have come meanwhile: what it has removed must not come back.
    if (this.#stopping !== undefined) return STOPPING;
    this.#config = loaded.config;
    this.#loadedAtMs = this.#modules.wallMs();
    this.#lastError = undefined;
    this.#health.configure(loaded.config.virtualServers, loaded.existing);
    if (this.#programmedOnce) this.#modules.table.program(this.#health.desired(), "reload");
    this.#modules.events.record("info", "reloaded", `configuration ${this.#options.configFile} loaded again`, {
      instances: loaded.config.vrrp.instances.length,
      services: loaded.config.virtualServers.length,
    });
    this.#notifyReady();
    return { ok: true };
  }

  #refuseReload(message: string): { readonly ok: false; readonly message: string } {
    this.#lastError = message;
    this.#modules.events.record("error", "reloadRefused", `reload refused, nothing was changed: ${message}`, {});
    this.#notifyReady();
    return { ok: false, message };
  }

  /** The new file, and the rows that the kernel already has for services that are new in it: they keep their weight, as at a start. */
  #load():
    | {
        readonly ok: true;
        readonly config: Config;
        readonly existing: ReadonlyMap<ServiceId, ReadonlyMap<DestinationId, number>>;
      }
    | { readonly ok: false; readonly message: string } {
    const loaded = this.#modules.load();
    if (!loaded.ok) return loaded;
    try {
      const existing = this.#modules.table.existingWeights(loaded.config.virtualServers);
      return { ok: true, config: loaded.config, existing };
    } catch (error) {
      if (error instanceof HoldfastError) return { ok: false, message: error.message };
      throw error;
    }
  }

  /** Before the first verdicts only a table that already exists is touched: an empty one waits for them. */
  #tableChanged(): void {
    if (!this.#programmedOnce && !this.#modules.table.hasExisting(this.#health.desired())) return;
    this.#modules.table.program(this.#health.desired(), "change");
  }

  #firstProgramming(): void {
    if (this.#programmedOnce) return;
    this.#programmedOnce = true;
    this.#modules.table.program(this.#health.desired(), "start");
    this.#modules.table.watch(() => this.#health.desired());
    this.#releaseWhenReady();
  }

  /** An election before the first programming would draw traffic to an empty table. */
  #releaseWhenReady(): void {
    if (!this.#programmedOnce || !this.#listening) return;
    this.#vrrp.releaseElection();
    this.#notifyReady();
  }

  #notifyReady(): void {
    if (this.#programmedOnce && this.#listening) this.#modules.notify("READY=1");
  }

  #recordTransition(instance: string, transition: Transition): void {
    const level = transition.to === "FAULT" ? "warn" : "info";
    this.#modules.events.record(level, "transition", describeTransition(instance, transition), {
      instance,
      ...transition,
    });
  }

  #recordAlarm(instance: string, alarm: VrrpAlarm | WorkerAlarm): void {
    this.#modules.events.record("warn", alarm.kind, describeVrrpAlarm(instance, alarm), { instance, ...alarm });
  }

  #recordHealth(event: HealthEvent): void {
    const level = event.kind === "conflict" ? "error" : "info";
    this.#modules.events.record(level, event.kind, describeHealthEvent(event), { ...event });
  }
}
