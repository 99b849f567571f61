import { expect, test } from "vitest";
import type { TrackProcessConfig, VrrpScriptConfig } from "../../src/config/vrrp.types.ts";
import { durationUs, seconds } from "../../src/core/units.ts";
import type { ScriptTrackerStatus } from "../../src/daemon/track/types.ts";
import { realServer, tcpCheck, virtualServer } from "../sim/healthRig.ts";
import { BAD, OK, world } from "./trackersLab.ts";

function scriptConfig(changes: Partial<VrrpScriptConfig> = {}): VrrpScriptConfig {
  return {
    ...{ name: "check", command: { arguments: ["/bin/check"], user: undefined, group: undefined } },
    ...{ interval: seconds(2), timeout: seconds(2), rise: 1, fall: 2, initFail: false },
    ...changes,
  };
}

function processConfig(changes: Partial<TrackProcessConfig> = {}): TrackProcessConfig {
  return {
    ...{ name: "proxy", process: "haproxy", parameters: undefined, parameterMatch: "exact", fullCommand: false },
    ...{ quorum: 1, quorumMax: undefined, forkDelay: durationUs(0), terminateDelay: durationUs(0) },
    ...changes,
  };
}

test("a script runs at once and then every interval, counted from start to start", async () => {
  const { time, runs, trackers, config } = world();
  trackers.configure(config({ scripts: [scriptConfig()] }, ["check"]));
  for (let i = 0; i < 3; i++) {
    await time.pass(500);
    runs[i]?.end(OK);
    await time.pass(1_500);
  }
  expect(runs.map(({ startedMs }) => startedMs)).toEqual([0, 2_000, 4_000, 6_000]);
  expect(runs[0]?.request).toMatchObject({ arguments: ["/bin/check"], timeout: seconds(2) });
});

test("one run at a time: a slow one is waited for, and the next begins when it ends", async () => {
  const { time, runs, trackers, config } = world();
  trackers.configure(config({ scripts: [scriptConfig()] }, ["check"]));
  await time.pass(7_000);
  expect(runs).toHaveLength(1);
  runs[0]?.end(OK);
  await time.pass(1);
  expect(runs.map(({ startedMs }) => startedMs)).toEqual([0, 7_000]);
});

test("results go out when they change: the first at once, then after fall failures; what it says is in the log", async () => {
  const { time, runs, trackers, config, published, messages } = world();
  trackers.configure(config({ scripts: [scriptConfig()] }, ["check"]));
  expect(trackers.known()).toBe(false);
  for (const outcome of [OK, BAD, BAD, OK]) {
    runs.at(-1)?.end(outcome);
    await time.pass(2_000);
  }
  expect(published).toEqual(["check=?", "check=1", "check=0", "check=1"]);
  expect(messages).toContain("vrrp_script check fails: exit status 1: said so");
  expect(trackers.known()).toBe(true);
});

test("a timeout is a failure when it happens, not when the process has ended", async () => {
  const { time, runs, trackers, config, latest } = world();
  trackers.configure(config({ scripts: [scriptConfig({ fall: 1 })] }, ["check"]));
  runs[0]?.end(OK);
  await time.pass(2_000);
  runs[1]?.request.onTimeout?.();
  expect(latest()).toBe("check=0");
  await time.pass(5_000);
  expect(runs).toHaveLength(2);
  runs[1]?.end({ kind: "timedOut", afterMs: 2_000 });
  await time.pass(1);
  expect(runs).toHaveLength(3);
  const [status] = trackers.status() as ScriptTrackerStatus[];
  expect(status).toMatchObject({
    runs: 2,
    failures: 1,
    running: true,
    last: { outcome: expect.stringContaining("2000 ms") },
  });
});

test("init_fail is down before the first run, and the first success brings it up", async () => {
  const { time, runs, trackers, config, published } = world();
  trackers.configure(config({ scripts: [scriptConfig({ initFail: true, rise: 3 })] }, ["check"]));
  expect(published).toEqual(["check=0"]);
  runs[0]?.end(OK);
  await time.pass(1);
  expect(published.at(-1)).toBe("check=1");
});

test("what nothing tracks does not run", () => {
  const { runs, trackers, config, watched } = world();
  trackers.configure(config({ scripts: [scriptConfig()], trackProcesses: [processConfig()] }, []));
  expect(runs).toHaveLength(0);
  expect(watched).not.toContain("start false");
  expect(trackers.results()).toEqual([]);
});

test("over a reload an unchanged definition goes on, a changed one begins anew, a removed one is killed", async () => {
  const { time, runs, trackers, config, latest } = world();
  const kept = scriptConfig({ name: "kept" });
  const scripts = [kept, scriptConfig({ name: "changed" }), scriptConfig({ name: "removed" })];
  const names = ["kept", "changed", "removed"];
  trackers.configure(config({ scripts }, names));
  for (const run of runs.slice(0, 2)) run.end(BAD);
  await time.pass(500);
  trackers.configure(config({ scripts: [kept, scriptConfig({ name: "changed", fall: 5 })] }, names));
  // What is known of the old definition counts until the new one has a result: a reload must not lift a fault.
  expect(latest()).toBe("kept=0 changed=0");
  expect(runs.map(({ request, killed }) => `${request.name} ${killed}`)).toEqual([
    "kept false",
    // Its run had ended; nothing is left to kill.
    "changed false",
    "removed true",
    "changed false",
  ]);
  await time.pass(1_500);
  expect(runs.slice(4).map(({ request }) => request.name)).toEqual(["kept"]);
});

test("while VRRP still follows the old configuration, what it tracks goes on", () => {
  const { runs, trackers, config, latest } = world();
  const [old, added] = [scriptConfig({ name: "old" }), scriptConfig({ name: "new" })];
  trackers.configure(config({ scripts: [old] }, ["old"]));
  trackers.configure(config({ scripts: [added] }, ["new"]), true);
  expect(latest()).toBe("new=? old=?");
  expect(runs.map(({ killed }) => killed)).toEqual([false, false]);
  trackers.configure(config({ scripts: [added] }, ["new"]));
  expect(latest()).toBe("new=?");
  expect(runs.map(({ killed }) => killed)).toEqual([true, false]);
});

test("processes: quorum, and delays that a quick restart does not outlast", async () => {
  const { time, trackers, config, processes, published, latest } = world();
  processes("haproxy", "sshd");
  const tracked = processConfig({ terminateDelay: seconds(1), forkDelay: seconds(3) });
  trackers.configure(config({ trackProcesses: [tracked] }, ["proxy"]));
  expect(published).toEqual(["proxy=1"]);
  processes("sshd");
  await time.pass(999);
  processes("sshd", "haproxy");
  await time.pass(5_000);
  expect(published).toEqual(["proxy=1"]);
  processes("sshd");
  await time.pass(999);
  expect(latest()).toBe("proxy=1");
  await time.pass(1);
  expect(latest()).toBe("proxy=0");
  processes("haproxy");
  await time.pass(2_999);
  expect(latest()).toBe("proxy=0");
  await time.pass(1);
  expect(latest()).toBe("proxy=1");
});

test("command lines are read only where something needs them", () => {
  const { trackers, config, watched } = world();
  const plain = processConfig();
  trackers.configure(config({ trackProcesses: [plain] }, ["proxy"]));
  trackers.configure(
    config({ trackProcesses: [plain, processConfig({ name: "full", fullCommand: true })] }, ["proxy", "full"]),
  );
  trackers.configure(config({ trackProcesses: [plain] }, []));
  expect(watched).toEqual(["stop", "start false", "stop", "start true", "stop"]);
});

test("the end: nothing runs any more", async () => {
  const { time, runs, trackers, config } = world();
  trackers.configure(config({ scripts: [scriptConfig()] }, ["check"]));
  trackers.stop();
  expect(runs[0]?.killed).toBe(true);
  runs[0]?.end(OK);
  await time.pass(10_000);
  expect(runs).toHaveLength(1);
});

test("a file that a FILE_CHECK names is watched, also where no instance tracks it", () => {
  const { trackers, config, published } = world();
  const trackFiles = ["load", "other"].map((name) => ({ name, path: `/run/${name}`, initialize: undefined }));
  const timing = tcpCheck(3).timing;
  const server = realServer(3, [{ kind: "FILE_CHECK", file: "load", weight: 1, timing }]);
  trackers.configure(config({ trackFiles, virtualServers: [virtualServer([server])] }, []));
  expect(published.at(-1)).toBe("load=3");
});
