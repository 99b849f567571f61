import type { ProcessFacts } from "../../src/core/processes.ts";
import type { ScriptOutcome } from "../../src/core/scripts.ts";
import { EventLog } from "../../src/daemon/events.ts";
import { Trackers, type TrackingConfig } from "../../src/daemon/track/trackers.ts";
import { fakeRunner } from "../lab/fakeRunner.ts";
import { recordingLogger } from "../lab/recordingLogger.ts";
import { VirtualTime } from "../lab/virtualTime.ts";
import { instanceConfig } from "../lab/vrrpConfig.ts";

const START_US = 1_000_000_000;
export const OK: ScriptOutcome = { kind: "exited", status: 0 };
export const BAD: ScriptOutcome = { kind: "exited", status: 1 };

/** Trackers over a runner whose runs end when the test says so, and a list of processes that it keeps. */
export function world() {
  const time = new VirtualTime();
  const { runner, runs } = fakeRunner(() => time.nowUs() - START_US);
  const published: string[] = [];
  const { logger, messages } = recordingLogger();
  let running: ProcessFacts[] = [];
  let processesChanged: (() => void) | undefined;
  const watched: string[] = [];
  const trackers = new Trackers({
    clock: time,
    timers: time,
    wallMs: () => time.nowUs() / 1_000,
    events: new EventLog({ logger, wallMs: () => 0 }),
    onResults: (results) => {
      published.push(results.map(({ name, value }) => `${name}=${value ?? "?"}`).join(" "));
    },
    runner,
    files: { watch: () => () => undefined, read: () => ({ kind: "text", text: "3" }), initialize: () => true },
    processes: {
      start: ({ commandLines, onChange }) => {
        watched.push(`start ${commandLines}`);
        processesChanged = onChange;
        onChange();
      },
      processes: () => running,
      mode: () => "events",
      whyPolling: () => undefined,
      stop: () => {
        watched.push("stop");
        processesChanged = undefined;
      },
    },
  });
  const config = (changes: Partial<TrackingConfig>, tracked: readonly string[]): TrackingConfig => {
    const track = tracked.map((name) => ({ name, weight: 0, reverse: false }));
    const instances = [instanceConfig({ track: { interfaces: [], scripts: track, files: track, processes: track } })];
    return { vrrp: { instances }, virtualServers: [], scripts: [], trackFiles: [], trackProcesses: [], ...changes };
  };
  return {
    ...{ time, runs, published, messages, trackers, config, watched },
    /** Those that run now, each by its command line. */
    processes: (...names: string[]) => {
      running = names.map((line, index) => {
        const commandLine = line.split(" ");
        return { id: index + 1, name: commandLine[0] as string, commandLine };
      });
      processesChanged?.();
    },
    latest: () => published.at(-1),
  };
}
