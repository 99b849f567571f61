import type { VrrpScriptConfig } from "../../config/vrrp.types.ts";
import type { Clock, Timers } from "../../core/interfaces.ts";
import {
  describeOutcome,
  type FinishedScript,
  type ScriptRun,
  type ScriptRunner,
  succeeded,
} from "../../core/scripts.ts";
import { after, type Us } from "../../core/units.ts";
import type { TrackResult } from "../../workers/vrrp/protocol.ts";
import type { EventLog } from "../events.ts";
import { initialVerdict, judgeScript } from "./scriptJudge.ts";
import type { ScriptTrackerStatus, Tracker } from "./types.ts";

export interface TrackerModules {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly wallMs: () => number;
  readonly events: EventLog;
  /** The result may have changed. */
  readonly onResult: () => void;
}

/** Runs one `vrrp_script` every interval, one run at a time, the first at once. A run that takes too long has failed there and then. */
export class ScriptTracker implements Tracker {
  readonly key: string;
  readonly #config: VrrpScriptConfig;
  readonly #modules: TrackerModules & { readonly runner: ScriptRunner };
  #verdict: ReturnType<typeof initialVerdict>;
  #sinceMs: number | undefined;
  #run: ScriptRun | undefined;
  #judged = false;
  #startedAt: Us;
  #nextAt: Us | undefined;
  #last: ScriptTrackerStatus["last"];
  #runs = 0;
  #failures = 0;
  #stopped = false;
  #disarm: () => void = () => undefined;

  /** @param before what an earlier definition of the same name said: it counts until the first result of this one */
  constructor(
    config: VrrpScriptConfig,
    modules: TrackerModules & { readonly runner: ScriptRunner },
    before?: ScriptTracker,
  ) {
    this.key = scriptKey(config);
    this.#config = config;
    this.#modules = modules;
    this.#verdict = { ...initialVerdict(config.initFail), ...(before === undefined ? {} : { up: before.#verdict.up }) };
    const assumedMs = config.initFail ? modules.wallMs() : undefined;
    this.#sinceMs = before === undefined ? assumedMs : before.#sinceMs;
    this.#startedAt = modules.clock.nowUs();
    this.#start();
  }

  result(): TrackResult {
    const { up } = this.#verdict;
    return { kind: "script", name: this.#config.name, value: up === undefined ? undefined : Number(up) };
  }

  status(): ScriptTrackerStatus {
    const nextRunInMs =
      this.#nextAt === undefined ? undefined : Math.max(0, (this.#nextAt - this.#modules.clock.nowUs()) / 1_000);
    return {
      ...this.result(),
      kind: "script",
      sinceMs: this.#sinceMs,
      command: this.#config.command.arguments,
      runs: this.#runs,
      failures: this.#failures,
      against: this.#verdict.against,
      last: this.#last,
      running: this.#run !== undefined,
      nextRunInMs,
    };
  }

  stop(): void {
    this.#stopped = true;
    this.#disarm();
    this.#run?.kill();
  }

  #start(): void {
    const { command, name, timeout } = this.#config;
    this.#startedAt = this.#modules.clock.nowUs();
    this.#nextAt = undefined;
    this.#judged = false;
    const run = this.#modules.runner.run({
      ...command,
      name,
      environment: {},
      timeout,
      outputLevel: "debug",
      // Its end may take another second; its result is known.
      onTimeout: () =>
        this.#judge({ outcome: { kind: "timedOut", afterMs: timeout / 1_000 }, tookMs: timeout / 1_000, output: "" }),
    });
    this.#run = run;
    void run.done.then((finished) => this.#finished(finished));
  }

  #finished(finished: FinishedScript): void {
    this.#run = undefined;
    if (this.#stopped) return;
    if (!this.#judged) this.#judge(finished);
    else this.#keep(finished);
    this.#nextAt = after(this.#startedAt, this.#config.interval);
    this.#disarm = this.#modules.timers.at(this.#nextAt, () => this.#start());
  }

  #judge(finished: FinishedScript): void {
    if (this.#stopped || this.#judged) return;
    this.#judged = true;
    const success = succeeded(finished.outcome);
    this.#runs += 1;
    if (!success) this.#failures += 1;
    this.#keep(finished);
    const before = this.#verdict;
    this.#verdict = judgeScript(before, success, this.#config);
    if (before.up === this.#verdict.up) {
      // A first result that confirms `init_fail` changes nothing, but the script has been heard.
      if (before.first) this.#modules.onResult();
      return;
    }
    this.#sinceMs = this.#modules.wallMs();
    this.#tell(success, finished);
    this.#modules.onResult();
  }

  #keep({ outcome, tookMs, output }: FinishedScript): void {
    this.#last = { atMs: this.#modules.wallMs(), tookMs, outcome: describeOutcome(outcome), output };
  }

  #tell(success: boolean, { outcome, output }: FinishedScript): void {
    const { name } = this.#config;
    const said = output === "" ? "" : `: ${output.split("\n").at(-1)}`;
    this.#modules.events.record(
      success ? "info" : "warn",
      success ? "scriptUp" : "scriptDown",
      `vrrp_script ${name} ${success ? "succeeds" : "fails"}: ${describeOutcome(outcome)}${said}`,
      { script: name, outcome, output },
    );
  }
}

export const scriptKey = (config: VrrpScriptConfig): string => `script ${JSON.stringify(config)}`;
