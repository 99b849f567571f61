import type { Config } from "../config/types.ts";
import { HoldfastError } from "../core/errors.ts";
import type { HealthEvent } from "../health/types.ts";
import { unknownTargets } from "../health/unknownTargets.ts";
import type { DestinationId, ServiceId } from "../plan/types.ts";
import type { VrrpHandle } from "../workers/vrrp/handle.types.ts";
import type { Surrender } from "../workers/vrrp/protocol.ts";
import type { DaemonStatus, TakenRecording } from "./control.types.ts";
import type { DaemonModules, DaemonOptions } from "./daemon.types.ts";
import { type RouterKey, routerKeys } from "./handover/protocol.ts";
import type { HealthDriver } from "./healthDriver.ts";
import type { HostSide } from "./hostSide.ts";
import type { AddressFollower } from "./lvs/addressFollower.ts";
import { describeHealthEvent } from "./messages.ts";
import { Operator } from "./operator.ts";
import { StartOrder } from "./startOrder.ts";
import { serviceStatuses } from "./statusView.ts";
import { Tally } from "./tally.ts";
import { vrrpListener } from "./vrrpEvents.ts";

export type { DaemonModules, DaemonOptions } from "./daemon.types.ts";

type ExistingWeights = ReadonlyMap<ServiceId, ReadonlyMap<DestinationId, number>>;

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
  readonly #host: HostSide;
  readonly #addresses: AddressFollower;
  readonly #order: StartOrder;
  readonly #startedAtMs: number;
  readonly #tallies = { transitions: new Tally(), groupTransitions: new Tally() };
  /** What operators say at run time. */
  readonly operator: Operator;
  #config: Config;
  #loadedAtMs: number;
  #lastError: string | undefined;
  #stopping: Promise<void> | undefined;
  /** Settles when it is known whether VRRP is given over. */
  #surrendering: Promise<void> | undefined;
  #leave: (followed: boolean) => void = () => undefined;
  /** Resolves at the end of a handover: whether a successor goes on in the place of this daemon, or nobody does. */
  readonly left = new Promise<boolean>((resolve) => {
    this.#leave = resolve;
  });
  /** Reloads run one after the other; the last one wins. */
  #reloading: Promise<void> = Promise.resolve();
  #reloadRefusal: string | undefined;

  constructor(options: DaemonOptions, modules: DaemonModules) {
    this.#options = options;
    this.#modules = modules;
    this.#config = options.config;
    this.#startedAtMs = modules.wallMs();
    this.#loadedAtMs = this.#startedAtMs;
    this.#order = new StartOrder({
      ...modules,
      desired: () => this.#health.desired(),
      elect: () => this.#vrrp.releaseElection(),
      isStopping: () => this.#stopping !== undefined,
    });
    this.#addresses = modules.followAddresses((held) => this.#health.addresses(held));
    this.#vrrp = modules.createVrrp(
      vrrpListener({
        events: modules.events,
        tallies: this.#tallies,
        notifier: () => this.#host.notifier,
        followers: [modules.lvs, this.#addresses],
      }),
    );
    this.#host = modules.createHostSide((results) => {
      this.#vrrp.track(results);
      this.#health.files(new Map(results.flatMap(({ kind, name, value }) => (kind === "file" ? [[name, value]] : []))));
    });
    this.#health = modules.createHealth({
      onStep: (events, perform) => modules.events.explained(() => this.#recordHealth(events), perform),
      onTableChanged: () => this.#order.tableChanged(),
      onFirstVerdicts: () => this.#order.firstVerdicts(),
      rows: (services) => modules.table.rows(services),
    });
    this.operator = new Operator({
      ...{ store: modules.store, clock: modules.clock, wallMs: modules.wallMs },
      ...{ table: modules.table, health: this.#health, services: () => this.#health.services() },
      refusal: () => (this.#stopping === undefined ? undefined : STOPPING.message),
    });
  }

  /**
   * Resolves when VRRP listens and probes run; the election begins by itself after the first programming and the first
   * results of what is tracked.
   */
  async start(): Promise<void> {
    const refusal = this.#host.examine(this.#config);
    if (refusal !== undefined) throw new HoldfastError("scriptsRefused", refusal);
    if (this.#config.global.startupScript !== undefined) {
      await this.#host.startup(this.#config);
      if (this.#stopping !== undefined) return;
    }
    this.#host.configure(this.#config);
    if (this.#config.lvs.flushAtStart) this.#modules.table.claimEverything();
    const existing = this.#modules.table.existingWeights(this.#config.virtualServers);
    this.#modules.lvs.configure(this.#config);
    const listening = this.#vrrp.start(this.#config.vrrp);
    this.operator.load(false);
    this.#configureHealth(existing);
    try {
      await listening;
    } catch (error) {
      this.#addresses.stop();
      this.#health.stop();
      // Nobody calls `stop` of a start that failed.
      if (this.#order.programmed) this.#modules.table.clear();
      this.#modules.lvs.stop();
      throw error;
    }
    // A signal may have come meanwhile: what stops must not take part in an election.
    if (this.#stopping !== undefined) return;
    this.#order.listens();
    void this.#host.firstResults().then(() => this.#order.tracked());
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

  /**
   * As `start`, in a successor beside its predecessor: resolves when VRRP listens and every check and tracker has said
   * something. Nothing is sent, no address and no row of the table is touched, nobody is notified.
   */
  async standBy(): Promise<void> {
    const refusal = this.#host.examine(this.#config);
    if (refusal !== undefined) throw new HoldfastError("scriptsRefused", refusal);
    const verdicts = this.#order.standBy();
    this.#host.prepare(this.#config);
    const existing = this.#modules.table.existingWeights(this.#config.virtualServers);
    const listening = this.#vrrp.start(this.#config.vrrp);
    this.#configureHealth(existing);
    await Promise.all([listening, verdicts, this.#host.firstResults()]);
  }

  /** Goes on in the place of a predecessor, which has fallen silent. */
  async adopt(surrender: Surrender): Promise<void> {
    await this.#vrrp.adopt(surrender);
    this.#host.configure(this.#config);
    this.operator.load(true);
    this.#modules.lvs.adopt(surrender.instances.map(({ state }) => [state.parameters.name, state.role.name]));
    this.#modules.lvs.configure(this.#config);
    this.#order.takeOver();
    const { version, configFile } = this.#options;
    const words = `holdfast ${version} goes on with ${configFile} in the place of another process`;
    this.#modules.events.record("info", "tookOver", words, {});
  }

  routers(): readonly RouterKey[] {
    return routerKeys(this.#config.vrrp);
  }

  /**
   * Falls silent for the successor with this process id; `pass` is called with everything that it goes on with, before
   * anything else is done here: until it has that, no advert leaves. Rejects, and goes on, when VRRP cannot be given over now.
   */
  async surrender(successorProcessId: number, pass: (surrender: Surrender) => void): Promise<void> {
    // A half of a reload would be nobody's.
    await this.#reloading;
    if (this.#stopping !== undefined) throw new HoldfastError("handoverFailed", STOPPING.message);
    this.#stopping = this.left.then(() => undefined);
    try {
      const given = this.#vrrp.surrender(successorProcessId);
      this.#surrendering = given.then(
        () => undefined,
        () => undefined,
      );
      pass(await given);
      this.#health.stop();
      this.#modules.table.leave();
      this.#modules.lvs.leave();
    } catch (error) {
      this.#stopping = undefined;
      throw error;
    } finally {
      this.#surrendering = undefined;
    }
  }

  /** After `surrender`: what is ours alone ends. `failure`: why nobody goes on. */
  async leave(failure?: string): Promise<void> {
    await this.#host.leave();
    const { events } = this.#modules;
    if (failure === undefined)
      events.record("info", "handedOver", "another process goes on in the place of this one", {});
    else events.record("error", "handoverFailed", failure, {});
    this.#leave(failure === undefined);
  }

  /** Why reloads are refused from now on, while a successor has read the file; undefined = they are not. */
  refuseReloads(reason: string | undefined): void {
    this.#reloadRefusal = reason;
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
      guard: this.#vrrp.guard(),
      services: serviceStatuses(this.#config.virtualServers, this.#health.view(), this.#modules.table),
      operator: this.operator.status(),
      lvs: this.#modules.lvs.status(),
      ...this.#host.status(),
      events: this.#modules.events.latest(),
      counts: {
        events: this.#modules.events.counted(),
        transitions: this.#tallies.transitions.counted(),
        groupTransitions: this.#tallies.groupTransitions.counted(),
      },
      usage: processUsage(),
    };
  }

  /** What the machines of VRRP were told lately, to run again elsewhere. Rejects while the worker is not there. */
  async record(): Promise<TakenRecording> {
    const recording = await this.#vrrp.record();
    const taken = { atMs: this.#modules.wallMs(), atUs: this.#modules.clock.nowUs() };
    return { version: this.#options.version, taken, ...recording };
  }

  /** Addresses first, then priority 0, then our rows of the table, then whoever is told of it. Idempotent. */
  stop(): Promise<void> {
    // Where the surrender fails, this daemon is still the one that has to release everything.
    if (this.#surrendering !== undefined) return this.#surrendering.then(() => this.stop());
    this.#stopping ??= this.#stopNow();
    return this.#stopping;
  }

  async #stopNow(): Promise<void> {
    this.#modules.notify("STOPPING=1");
    this.#addresses.stop();
    this.#health.stop();
    this.#host.stopping();
    this.#modules.lvs.stopping();
    await this.#vrrp.stop();
    this.operator.stopping();
    this.#modules.table.clear(this.#config.lvs.flushAtEnd === "all");
    this.#modules.lvs.stop();
    await this.#host.finish(this.#config);
    this.#modules.events.record("info", "stopped", "addresses, masters' roles and services are released", {});
  }

  async #reloadNow(): Promise<{ readonly ok: true } | { readonly ok: false; readonly message: string }> {
    if (this.#stopping !== undefined) return STOPPING;
    this.#modules.notify(`RELOADING=1\nMONOTONIC_USEC=${process.hrtime.bigint() / 1_000n}`);
    if (this.#reloadRefusal !== undefined) return this.#refuseReload(this.#reloadRefusal);
    const loaded = this.#load();
    if (!loaded.ok) return this.#refuseReload(loaded.message);
    const refusal = this.#host.examine(loaded.config);
    if (refusal !== undefined) {
      this.#host.examine(this.#config);
      return this.#refuseReload(refusal);
    }
    this.#host.prepare(loaded.config);
    try {
      // VRRP first: when its worker does not survive the new instances, it goes on with the old ones, and so does all else.
      await this.#vrrp.configure(loaded.config.vrrp);
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      if (this.#stopping !== undefined) return STOPPING;
      this.#host.examine(this.#config);
      this.#host.configure(this.#config);
      return this.#refuseReload(error.message);
    }
    // The end may have come meanwhile: what it has removed must not come back.
    if (this.#stopping !== undefined) return STOPPING;
    this.#config = loaded.config;
    this.#host.configure(loaded.config);
    this.#loadedAtMs = this.#modules.wallMs();
    this.#lastError = undefined;
    this.#modules.lvs.configure(loaded.config);
    this.#configureHealth(loaded.existing);
    if (this.#order.programmed) this.#order.program("reload");
    this.#modules.events.record("info", "reloaded", `configuration ${this.#options.configFile} loaded again`, {
      instances: loaded.config.vrrp.instances.length,
      services: loaded.config.virtualServers.length,
    });
    this.#order.notifyReady();
    return { ok: true };
  }

  #refuseReload(message: string): { readonly ok: false; readonly message: string } {
    this.#lastError = message;
    this.#modules.events.record("error", "reloadRefused", `reload refused, nothing was changed: ${message}`, {});
    this.#order.notifyReady();
    return { ok: false, message };
  }

  /** The new file, and the rows that the kernel already has for servers that are new in it: they keep their weight, as at a start. */
  #load():
    | {
        readonly ok: true;
        readonly config: Config;
        readonly existing: ExistingWeights;
      }
    | { readonly ok: false; readonly message: string } {
    const loaded = this.#modules.load();
    if (!loaded.ok) return loaded;
    try {
      const { virtualServers } = loaded.config;
      const existing = this.#modules.table.weightsOf(unknownTargets(virtualServers, this.#config.virtualServers));
      return { ok: true, config: loaded.config, existing };
    } catch (error) {
      if (error instanceof HoldfastError) return { ok: false, message: error.message };
      throw error;
    }
  }

  #configureHealth(existing: ExistingWeights): void {
    this.#addresses.configure(this.#config);
    this.#health.configure(this.#config.virtualServers, existing);
  }

  #recordHealth(events: readonly HealthEvent[]): void {
    for (const event of events) {
      const lost = event.kind === "quorum" && event.to === "down";
      const level = event.kind === "conflict" ? "error" : lost ? "warn" : "info";
      this.#modules.events.record(level, event.kind, describeHealthEvent(event), { ...event });
      this.#host.notifier.health(event);
    }
  }
}

function processUsage(): DaemonStatus["usage"] {
  const { user, system } = process.cpuUsage();
  return { cpuUs: user + system, residentBytes: process.memoryUsage.rss() };
}
