import type { Config, TimedScript } from "../config/types.ts";
import type { ScriptCommand } from "../config/vrrp.types.ts";
import type { Clock, Timers } from "../core/interfaces.ts";
import { describeOutcome, type ScriptProblemReason, type ScriptRunner, succeeded } from "../core/scripts.ts";
import { after, type DurationUs, milliseconds } from "../core/units.ts";
import type { KickDoorStatus } from "./control.types.ts";
import type { EventLog } from "./events.ts";
import type { KickDoor } from "./kickDoor.ts";
import type { Notifier, NotifyStatus } from "./notify/notifier.ts";
import { notifyScripts } from "./notify/occasion.ts";
import { serviceScripts } from "./notify/serviceNotices.ts";
import type { Trackers } from "./track/trackers.ts";
import type { TrackerStatus } from "./track/types.ts";

/** How long the end waits for the scripts and mails that tell of it. */
const LAST_WORDS = milliseconds(10_000);
/** How long the first election waits for trackers that have said nothing yet. */
const FIRST_RESULTS = milliseconds(5_000);

export interface HostSideModules {
  readonly runner: ScriptRunner & { close(): Promise<void> };
  /** `global_defs` changed: who scripts run as. */
  readonly setScriptPolicy: (global: Config["global"]) => void;
  readonly trackers: Trackers;
  readonly notifier: Notifier;
  readonly kickDoor: KickDoor;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly events: EventLog;
}

/** These are mistakes of the configuration, not of the moment: nothing is started with them. */
const REFUSED: readonly ScriptProblemReason[] = ["userUnknown", "groupUnknown", "userNotPermitted"];

interface NamedScript {
  readonly what: string;
  readonly command: ScriptCommand;
}

/** Scripts, trackers, notifications and the door for kicks: what the host says to VRRP and is told by it, besides packets. */
export class HostSide {
  readonly notifier: Notifier;
  readonly #modules: HostSideModules;
  #closed = false;

  constructor(modules: HostSideModules) {
    this.#modules = modules;
    this.notifier = modules.notifier;
  }

  /**
   * Why this configuration cannot be: a script's user that does not exist or that we cannot become. What else keeps a
   * script from running now may change, so it is told once and the script fails until it does.
   */
  examine(config: Config): string | undefined {
    this.#modules.setScriptPolicy(config.global);
    for (const { what, command } of scriptsOf(config)) {
      const { refused, warning } = this.#modules.runner.examine(command);
      if (refused !== undefined && REFUSED.includes(refused.reason)) return `${what}: ${refused.detail}`;
      const problem = refused === undefined ? warning : `cannot run (${refused.reason}): ${refused.detail}`;
      if (problem === undefined) continue;
      this.#modules.events.record("warn", "scriptProblem", `${what}: ${problem}`, {
        script: what,
        reason: refused?.reason,
      });
    }
    return undefined;
  }

  /** Runs `startup_script` to its end, or for as long as it may. */
  async startup(config: Config): Promise<void> {
    await this.#runTimed("startup_script", config.global.startupScript);
  }

  configure(config: Config): void {
    this.#modules.notifier.configure(config);
    this.#modules.trackers.configure(config);
    this.#modules.kickDoor.configure(config.global.kick);
  }

  /** Before VRRP takes a new configuration: what is new in it begins, what only the old one has goes on. */
  prepare(config: Config): void {
    this.#modules.trackers.configure(config, true);
  }

  /** Resolves when every tracker has said something, in a few seconds at most. */
  async firstResults(): Promise<void> {
    const { trackers, timers, clock, events } = this.#modules;
    const until = after(clock.nowUs(), FIRST_RESULTS);
    while (!trackers.known() && !this.#closed) {
      if (clock.nowUs() >= until) {
        const silent = trackers.results().filter(({ value }) => value === undefined);
        const names = silent.map(({ kind, name }) => `${kind} ${name}`).join(", ");
        events.record("warn", "trackersSilent", `no result yet, the election begins without: ${names}`, {});
        return;
      }
      await new Promise<void>((resolve) => timers.at(after(clock.nowUs(), LOOK), resolve));
    }
  }

  /** The end of trackers; from here a transition to INIT is told as STOP. */
  stopping(): void {
    this.#closed = true;
    this.#modules.notifier.stopping();
    this.#modules.trackers.stop();
  }

  /** After VRRP and the table are gone: the last notifications, then `shutdown_script`, then nothing runs any more. */
  async finish(config: Config): Promise<void> {
    const { notifier, events, runner } = this.#modules;
    notifier.finish();
    if (!(await this.#within(LAST_WORDS, notifier.drained()))) {
      const seconds = LAST_WORDS / 1_000_000;
      events.record(
        "warn",
        "notifyUnfinished",
        `notifications had not ended ${seconds} s after the end; they are cut`,
        {},
      );
    }
    await notifier.close();
    await this.#runTimed("shutdown_script", config.global.shutdownScript);
    await runner.close();
  }

  /** For a successor: nobody is told of an end, and what was begun may end. */
  async leave(): Promise<void> {
    this.#closed = true;
    const { notifier, trackers, runner } = this.#modules;
    trackers.stop();
    await this.#within(LAST_WORDS, notifier.drained());
    await notifier.close();
    await runner.close();
  }

  status(): {
    readonly trackers: readonly TrackerStatus[];
    readonly notifications: NotifyStatus;
    readonly kickDoor: KickDoorStatus | undefined;
  } {
    const { trackers, notifier, kickDoor } = this.#modules;
    return { trackers: trackers.status(), notifications: notifier.status(), kickDoor: kickDoor.status() };
  }

  async #runTimed(name: string, script: TimedScript | undefined): Promise<void> {
    if (script === undefined) return;
    const { command, timeout } = script;
    const { runner, events } = this.#modules;
    const { outcome } = await runner.run({ ...command, name, environment: {}, timeout, outputLevel: "info" }).done;
    events.record(succeeded(outcome) ? "info" : "warn", "timedScript", `${name}: ${describeOutcome(outcome)}`, {
      outcome,
    });
  }

  async #within(span: DurationUs, work: Promise<void>): Promise<boolean> {
    const { timers, clock } = this.#modules;
    let disarm: () => void = () => undefined;
    const late = new Promise<false>((resolve) => {
      disarm = timers.at(after(clock.nowUs(), span), () => resolve(false));
    });
    const done = await Promise.race([work.then(() => true as const), late]);
    disarm();
    return done;
  }
}

const LOOK = milliseconds(20);

/** Every script that this configuration would run, by the keyword and the name that an operator knows it by. */
function scriptsOf(config: Config): NamedScript[] {
  const { global, vrrp, scripts, virtualServers } = config;
  const tracked = new Set(vrrp.instances.flatMap(({ track }) => track.scripts.map(({ name }) => name)));
  const timed = { startup_script: global.startupScript, shutdown_script: global.shutdownScript };
  return [
    ...Object.entries(timed).flatMap(([what, each]) => (each === undefined ? [] : [{ what, command: each.command }])),
    ...global.fifos.flatMap(({ path, script }) =>
      script === undefined ? [] : [{ what: `notify_fifo_script of ${path}`, command: script }],
    ),
    ...scripts
      .filter(({ name }) => tracked.has(name))
      .map(({ name, command }) => ({ what: `vrrp_script ${name}`, command })),
    ...[...vrrp.instances, ...vrrp.syncGroups].flatMap(({ name, notify }) =>
      notifyScripts(notify).map(({ keyword, command }) => ({ what: `${keyword} of ${name}`, command })),
    ),
    ...virtualServers.flatMap(({ name, realServers }) =>
      realServers.flatMap(({ address, checks }) =>
        checks.flatMap((check) =>
          check.kind === "MISC_CHECK"
            ? [{ what: `MISC_CHECK of real_server ${address} in ${name}`, command: check.command }]
            : [],
        ),
      ),
    ),
    ...virtualServers.flatMap((service) =>
      serviceScripts(service).map(({ keyword, command }) => ({ what: `${keyword} of ${service.name}`, command })),
    ),
  ];
}
