import { parentPort, workerData } from "node:worker_threads";
import { assertNever, HoldfastError } from "../../core/errors.ts";
import { loadAddon } from "../../io/addon.ts";
import type { Recording } from "../../vrrp/recorder.ts";
import { VrrpDriver } from "./driver.ts";
import type { Report } from "./instance.ts";
import { openGuardHost } from "./openGuardHost.ts";
import { openHost } from "./openHost.ts";
import type { FromWorker, ToWorker, WorkerStart } from "./protocol.ts";
import { TakeoverRehearsal } from "./rehearsal.ts";
import { Turns } from "./turns.ts";

/** Entry of the VRRP thread. Everything it loads is listed above: nothing that could keep the event loop from an advert. */
const port = parentPort;
if (port === null) throw new Error("the VRRP worker is started by handle.ts");

const host = openHost();
const report = (message: Report): void => {
  port.postMessage({ ...message, postedUs: host.clock.nowUs() } satisfies FromWorker);
};
/** Entries of one message: copying them takes well under a millisecond. */
const RECORDING_PART_ENTRIES = 500;

/** Part by part, with everything else in between. */
function postRecording(id: number, recording: Recording, from = 0): void {
  const until = from + RECORDING_PART_ENTRIES;
  const last = until >= recording.entries.length;
  const begin = from === 0 ? recording.begin : { instances: [], groups: [] };
  report({ kind: "recording", id, part: { ...recording, begin, entries: recording.entries.slice(from, until) }, last });
  if (!last) setImmediate(() => postRecording(id, recording, until));
}

const { vrrp, realtimePriority, resign, guard, standby, borrowed, turns: shared } = workerData as WorkerStart;
const turns = new Turns(shared);
const turned = (): void => turns.count();
const guardHost = openGuardHost(loadAddon());
const rehearsal = new TakeoverRehearsal({
  clock: host.clock,
  guardHost,
  soon: setImmediate,
  failed: (error) => {
    const message = "takeovers are not rehearsed any more: the first advert may be milliseconds later";
    report({ kind: "log", level: "warn", fields: { error: String(error) }, message });
  },
});
const driver = new VrrpDriver({ host, borrowed, wallMs: () => Date.now(), report, guardHost, rehearsal, turned });

port.on("message", (message: ToWorker) => {
  switch (message.kind) {
    case "releaseElection":
      return driver.releaseElection();
    case "configure":
      driver.configure(message.vrrp);
      rehearsal.configure(message.vrrp);
      return report({ kind: "configured" });
    case "pulse":
      return report({ kind: "pulse" });
    case "status":
      return report({ kind: "status", status: driver.status() });
    case "track":
      return driver.track(message.results);
    case "record":
      return postRecording(message.id, driver.record());
    case "guard":
      return driver.attachGuard(message.descriptor);
    case "surrender":
      return driver.whenQuiet(() => {
        report({ kind: "surrendered", surrender: driver.surrender() });
        port.close();
      });
    case "adopt":
      driver.adopt(message.surrender, message.guard);
      return report({ kind: "adopted" });
    case "stop":
      driver.stop();
      report({ kind: "stopped" });
      return port.close();
    default:
      return assertNever(message);
  }
});

try {
  if (guard !== undefined) driver.attachGuard(guard);
  if (standby) driver.standBy(vrrp, realtimePriority);
  else driver.start(vrrp, realtimePriority, resign);
  rehearsal.configure(vrrp);
  rehearsal.begin();
  report({ kind: "ready" });
} catch (error) {
  if (!(error instanceof HoldfastError)) throw error;
  report({ kind: "startFailed", code: error.code, message: error.message, remedy: error.remedy });
  driver.stop();
  port.close();
}
