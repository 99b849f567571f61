import { expect, test } from "vitest";
import { HoldfastError } from "../../src/core/errors.ts";
import { ip } from "../../src/core/ip.ts";
import type { Surrender } from "../../src/workers/vrrp/protocol.ts";
import { PLAIN_SERVICE } from "../lab/ipvsDefaults.ts";
import { instanceConfig, vrrpConfig } from "../lab/vrrpConfig.ts";
import {
  configOf,
  desiredOf,
  RECORDING,
  SERVICE,
  silent,
  started,
  withNotify,
  withScript,
  world,
} from "./daemonWorld.ts";

/** The order in which the daemon turns its halves on and off: what an operator is promised of start, reload and end. */

test("a recording tells by which clocks it was taken", async () => {
  const it = await started();
  const taken = { atMs: 1_000, atUs: it.time.nowUs() };
  expect(await it.daemon.record()).toEqual({ ...RECORDING, version: "test", taken });
});

test("the election waits for the first programming, and the service manager for both", async () => {
  const it = world();
  await it.daemon.start();
  it.listener().onTableChanged();
  expect(it.taken()).toEqual(["vrrp start", "health configure"]);
  it.listener().onFirstVerdicts();
  expect(it.taken()).toEqual([`addService ${SERVICE}`, "vrrp elects", "READY=1"]);
});

test("first verdicts that come before VRRP listens: programmed at once, elected later", async () => {
  let listens: () => void = silent;
  const it = world({ vrrpStart: new Promise((resolve) => (listens = resolve)) });
  const starting = it.daemon.start();
  it.listener().onFirstVerdicts();
  expect(it.taken()).toEqual(["vrrp start", "health configure", `addService ${SERVICE}`]);
  listens();
  await starting;
  expect(it.taken()).toEqual(["vrrp elects", "READY=1"]);
});

test("a table that exists already is kept right from the first change on, before all verdicts are in", async () => {
  const it = world();
  const [service] = desiredOf(configOf(5432));
  if (service === undefined) throw new Error("no service");
  it.kernel.apply([{ kind: "addService", service: service.key, attributes: { ...service, scheduler: "rr" } }]);
  await it.daemon.start();
  it.taken();
  it.listener().onTableChanged();
  expect(it.taken()).toEqual([`editService ${SERVICE}`]);
});

test("the end: no more checks, then addresses and resignation, then our rows; once, however often it is asked for", async () => {
  const it = await started();
  await Promise.all([it.daemon.stop(), it.daemon.stop()]);
  expect(it.taken()).toEqual(["STOPPING=1", "health stop", "vrrp stop", `deleteService ${SERVICE}`]);
  expect(await it.daemon.reload()).toEqual({ ok: false, message: "holdfast is stopping" });
  expect(it.taken()).toEqual([]);
});

test("connection sync begins before VRRP, follows its states, and ends behind the addresses and our rows", async () => {
  const syncDaemon = {
    ...{ interface: "eth1", instance: "RW", syncId: 51, lengthMax: undefined },
    ...{ port: 8848, ttl: 1, group: ip("224.0.0.81") },
  };
  const config = configOf(5432);
  const it = world({ config: { ...config, lvs: { ...config.lvs, syncDaemon } } });
  await it.daemon.start();
  expect(it.taken()).toEqual(["start backup eth1 51", "vrrp start", "health configure"]);
  it.vrrp().onTransition("RW", { from: "BACKUP", to: "MASTER", reason: "masterDown", evidence: { ownPriority: 100 } });
  expect(it.taken()).toEqual(["stop backup", "start master eth1 51"]);
  it.vrrp().onRestart("on purpose");
  expect(it.taken()).toEqual(["stop master", "start backup eth1 51"]);
  it.listener().onFirstVerdicts();
  it.taken();
  await it.daemon.stop();
  expect(it.taken()).toEqual(["STOPPING=1", "health stop", "vrrp stop", `deleteService ${SERVICE}`, "stop backup"]);
});

test("a start that VRRP fails leaves neither rows nor connection sync nor settings behind", async () => {
  const config = configOf(5432);
  const syncDaemon = {
    ...{ interface: "eth1", instance: "RW", syncId: 51, lengthMax: undefined },
    ...{ port: 8848, ttl: 1, group: ip("224.0.0.81") },
  };
  const lvs = { ...config.lvs, syncDaemon, timeoutsSec: { tcp: 60, tcpfin: undefined, udp: undefined } };
  let fails: (error: Error) => void = silent;
  const it = world({ config: { ...config, lvs }, vrrpStart: new Promise((_, reject) => (fails = reject)) });
  const starting = it.daemon.start();
  it.listener().onFirstVerdicts();
  expect([it.services(), it.lvs.daemons.length, it.lvs.settings.get("timeout tcp")]).toEqual([[SERVICE], 1, "60"]);
  fails(new HoldfastError("vrrpWorkerDied", "on purpose"));
  await expect(starting).rejects.toThrow("on purpose");
  expect([it.services(), it.lvs.daemons.length, it.lvs.settings.get("timeout tcp")]).toEqual([[], 0, "900"]);
});

test("a successor's connection sync goes on as it was, and its predecessor stops none", async () => {
  const config = configOf(5432);
  const state = { parameters: { name: "RW" }, role: { name: "MASTER" } };
  const syncDaemon = {
    ...{ interface: "eth1", instance: "RW", syncId: 51, lengthMax: undefined },
    ...{ port: 8848, ttl: 1, group: ip("224.0.0.81") },
  };
  const it = world({ config: { ...config, lvs: { ...config.lvs, syncDaemon } } });
  it.lvs.daemons.push({ role: "master", interface: "eth1", syncId: 51 });
  const standing = it.daemon.standBy();
  it.listener().onFirstVerdicts();
  await standing;
  await it.daemon.adopt({ instances: [{ state } as Surrender["instances"][number]], groups: [], settings: [] });
  expect(it.taken()).not.toContain("stop master");
  await it.daemon.surrender(1, silent);
  expect(it.daemon.operator.pauseRepair(60)).toEqual({ ok: false, error: "holdfast is stopping" });
  await it.daemon.leave();
  expect(it.lvs.daemons).toHaveLength(1);
});

test.each([
  ["lvs_flush", { flushAtStart: true }, [`addService ${SERVICE}`, "deleteService TCP 10.0.2.99:80"], []],
  ["nothing of it", {}, [`addService ${SERVICE}`], ["TCP 10.0.2.99:80"]],
  ["lvs_flush_on_stop VS", { flushAtEnd: "services" }, [`addService ${SERVICE}`], ["TCP 10.0.2.99:80"]],
  ["lvs_flush_on_stop", { flushAtEnd: "all" }, [`addService ${SERVICE}`], []],
] as const)("%s: what becomes of a service that is not ours", async (_keyword, lvs, first, left) => {
  const config = configOf(5432);
  const it = world({ config: { ...config, lvs: { ...config.lvs, ...lvs } } });
  const foreign = { protocol: "TCP", address: ip("10.0.2.99"), port: 80 } as const;
  it.kernel.apply([{ kind: "addService", service: foreign, attributes: PLAIN_SERVICE }]);
  await it.daemon.start();
  it.taken();
  it.listener().onFirstVerdicts();
  expect(it.taken().filter((call) => call.includes("Service"))).toEqual(first);
  await it.daemon.stop();
  expect(it.services()).toEqual(left);
});

test("lvs_flush in a start that fails: what was to go stays, and is not remembered as ours", async () => {
  const config = configOf(5432);
  let fails: (error: Error) => void = silent;
  const it = world({
    config: { ...config, lvs: { ...config.lvs, flushAtStart: true } },
    vrrpStart: new Promise((_, reject) => (fails = reject)),
  });
  const foreign = { protocol: "TCP", address: ip("10.0.2.99"), port: 80 } as const;
  it.kernel.apply([{ kind: "addService", service: foreign, attributes: PLAIN_SERVICE }]);
  const starting = it.daemon.start();
  fails(new HoldfastError("vrrpWorkerDied", "on purpose"));
  await expect(starting).rejects.toThrow("on purpose");
  expect([it.services(), it.owned()]).toEqual([["TCP 10.0.2.99:80"], []]);
});

test("ha_suspend: checks are told which addresses the host holds, by VRRP at once, by others within two seconds", async () => {
  const config = configOf(5432);
  const virtualServers = config.virtualServers.map((service) => ({ ...service, haSuspend: true }));
  const it = world({ config: { ...config, virtualServers, vrrp: vrrpConfig([instanceConfig({ name: "RW" })]) } });
  const told = (): string[] => it.taken().filter((call) => call.startsWith("addresses"));
  const evidence = { ownPriority: 100 };
  it.hostAddresses.push(ip("10.0.2.1"));
  await it.daemon.start();
  expect(told()).toEqual(["addresses 10.0.2.1"]);
  it.vrrp().onTransition("RW", { from: "BACKUP", to: "MASTER", reason: "masterDown", evidence });
  expect(told()).toEqual(["addresses 10.0.2.1 10.0.2.10"]);
  it.vrrp().onTransition("RW", { from: "MASTER", to: "BACKUP", reason: "higherPriorityHeard", evidence });
  expect(told()).toEqual(["addresses 10.0.2.1"]);
  it.hostAddresses.push(ip("10.0.2.11"));
  await it.time.pass(2_000);
  expect(told()).toEqual(["addresses 10.0.2.1 10.0.2.11"]);
  it.vrrp().onTransition("RW", { from: "BACKUP", to: "MASTER", reason: "masterDown", evidence });
  told();
  it.vrrp().onRestart("on purpose");
  expect(told()).toEqual(["addresses 10.0.2.1 10.0.2.11"]);
  await it.daemon.stop();
  it.hostAddresses.pop();
  await it.time.pass(10_000);
  expect(told()).toEqual([]);
});

test("without ha_suspend nobody looks for addresses", async () => {
  const it = await started();
  it.hostAddresses.push(ip("10.0.2.1"));
  await it.time.pass(10_000);
  expect(it.taken().filter((call) => call.startsWith("addresses"))).toEqual([]);
});

test("stopped while VRRP starts: it takes part in no election", async () => {
  let listens: () => void = silent;
  const it = world({ vrrpStart: new Promise((resolve) => (listens = resolve)) });
  const starting = it.daemon.start();
  it.listener().onFirstVerdicts();
  const stopping = it.daemon.stop();
  listens();
  await Promise.all([starting, stopping]);
  expect(it.taken()).not.toContain("vrrp elects");
});

test("a script's user that cannot be: no start, and a reload is refused", async () => {
  const refused = { reason: "userNotPermitted", detail: "holdfast runs as user 990" } as const;
  const cold = world({ config: withNotify(configOf(5432)) });
  cold.refusesScripts(refused);
  await expect(cold.daemon.start()).rejects.toThrow("startup_script: holdfast runs as user 990");
  expect(cold.taken()).toEqual([]);
  const it = await started();
  it.refusesScripts(refused);
  it.loads({ ok: true, config: withNotify(configOf(5433)) });
  expect(await it.daemon.reload()).toEqual({ ok: false, message: "startup_script: holdfast runs as user 990" });
  expect(it.taken()).toEqual(["RELOADING=1", "READY=1"]);
});

test("startup_script comes before everything; at the end notifications, then shutdown_script, behind our rows", async () => {
  const it = world({ config: withNotify(configOf(5432)) });
  await it.daemon.start();
  expect(it.taken()).toEqual(["run startup_script: /up", "vrrp start", "health configure"]);
  it.listener().onFirstVerdicts();
  it.taken();
  it.vrrp().onTransition("RW", { from: "BACKUP", to: "MASTER", reason: "masterDown", evidence: { ownPriority: 100 } });
  expect(it.taken()).toEqual(["run notify_master of RW: /master"]);
  await it.daemon.stop();
  expect(it.taken()).toEqual([
    ...["STOPPING=1", "health stop", "vrrp stop", `deleteService ${SERVICE}`],
    ...["run notify_stop of RW: /stop", "run shutdown_script: /down"],
  ]);
});

test("the number of a FILE_CHECK's file is known before its service is", async () => {
  const check = "FILE_CHECK {\n track_file load\n}";
  const it = world({ config: configOf(5432, check, "track_file load {\n file /run/load\n}\n") });
  await it.daemon.start();
  expect(it.taken().slice(0, 3)).toEqual(["files load=0", "vrrp start", "health configure"]);
});

test("the user of a MISC_CHECK that cannot be: no start", async () => {
  const it = world({ config: configOf(5432, "MISC_CHECK {\n misc_path /bin/check\n}") });
  it.refusesScripts({ reason: "userUnknown", detail: "there is no user nosuch" });
  await expect(it.daemon.start()).rejects.toThrow(
    "MISC_CHECK of real_server 10.0.2.3 in TCP 10.0.2.11:5432: there is no user nosuch",
  );
});

test("the election waits for the first result of what is tracked, and not for ever", async () => {
  const it = world({ config: withScript(configOf(5432)), scriptsHang: true });
  await it.daemon.start();
  it.listener().onFirstVerdicts();
  await it.time.pass(4_900);
  expect(it.taken()).not.toContain("vrrp elects");
  await it.time.pass(200);
  expect(it.taken()).toContain("vrrp elects");
  expect(it.events.latest().map(({ kind }) => kind)).toContain("trackersSilent");
  const quick = world({ config: withScript(configOf(5432)) });
  await quick.daemon.start();
  quick.listener().onFirstVerdicts();
  await quick.time.pass(100);
  expect(quick.taken()).toContain("vrrp elects");
  expect(quick.events.latest().map(({ kind }) => kind)).not.toContain("trackersSilent");
});

test("what trackers find goes to VRRP", async () => {
  const it = world({ config: withScript(configOf(5432)) });
  await it.daemon.start();
  await it.time.pass(1);
  expect(it.tracked.at(-1)).toEqual([{ kind: "script", name: "check", value: 1 }]);
});
