import { expect, test } from "vitest";
import type { Config } from "../../src/config/index.ts";
import { HoldfastError } from "../../src/core/errors.ts";
import type { Logger } from "../../src/core/interfaces.ts";
import { type Ip, ip } from "../../src/core/ip.ts";
import type { ScriptProblem, ScriptRequest } from "../../src/core/scripts.ts";
import { instantUs, milliseconds } from "../../src/core/units.ts";
import { Daemon } from "../../src/daemon/daemon.ts";
import { EventLog } from "../../src/daemon/events.ts";
import { giveOver } from "../../src/daemon/handover/giver.ts";
import type { FromSuccessor } from "../../src/daemon/handover/protocol.ts";
import type { HealthListener } from "../../src/daemon/healthDriver.ts";
import { HostSide } from "../../src/daemon/hostSide.ts";
import { KickDoor } from "../../src/daemon/kickDoor.ts";
import { AddressFollower } from "../../src/daemon/lvs/addressFollower.ts";
import { Notifier } from "../../src/daemon/notify/notifier.ts";
import { TableOwner } from "../../src/daemon/tableOwner.ts";
import { Trackers } from "../../src/daemon/track/trackers.ts";
import { serviceId } from "../../src/plan/keys.ts";
import type { DesiredService, ServiceId } from "../../src/plan/types.ts";
import type { Recording } from "../../src/vrrp/recorder.ts";
import type { VrrpListener } from "../../src/workers/vrrp/handle.types.ts";
import type { Surrender, TrackResult } from "../../src/workers/vrrp/protocol.ts";
import { configFrom } from "../lab/configText.ts";
import { FakeLvs } from "../lab/fakeLvs.ts";
import { PLAIN_SERVICE } from "../lab/ipvsDefaults.ts";
import { settled, VirtualTime } from "../lab/virtualTime.ts";
import { instanceConfig, vrrpConfig } from "../lab/vrrpConfig.ts";
import { FakeKernel } from "../sim/fakeKernel.ts";

/** The order in which the daemon turns its halves on and off: what an operator is promised of start, reload and end. */

const silent = (): undefined => undefined;
const logger: Logger = { error: silent, warn: silent, info: silent, debug: silent, child: () => logger };

function configOf(port: number, checks = "TCP_CHECK {\n    }", top = ""): Config {
  return configFrom(`${top}virtual_server 10.0.2.11 ${port} {
  lvs_method DR
  lb_algo lc
  protocol TCP
  real_server 10.0.2.3 ${port} {
    ${checks}
  }
}`);
}

const command = (program: string) => ({ arguments: [program], user: undefined, group: undefined });

/** With an instance that tells of itself, and scripts around it. */
function withNotify(config: Config): Config {
  const notify = { ...instanceConfig().notify, master: command("/master"), stop: command("/stop") };
  const timeout = milliseconds(1_000);
  return {
    ...config,
    global: {
      ...config.global,
      startupScript: { command: command("/up"), timeout },
      shutdownScript: { command: command("/down"), timeout },
    },
    vrrp: vrrpConfig([instanceConfig({ notify })]),
  };
}

/** With an instance that tracks a script. */
function withScript(config: Config): Config {
  const scripts = [{ name: "check", weight: 0, reverse: false }];
  const second = milliseconds(1_000);
  return {
    ...config,
    scripts: [
      ...[{ name: "check", command: command("/check"), interval: second, timeout: second }].map((each) => ({
        ...each,
        ...{ rise: 1, fall: 1, initFail: false },
      })),
    ],
    vrrp: vrrpConfig([instanceConfig({ track: { interfaces: [], scripts, files: [], processes: [] } })]),
  };
}

function desiredOf(config: Config): DesiredService[] {
  return config.virtualServers.flatMap(({ targets }) =>
    targets.map((key) => ({ ...PLAIN_SERVICE, key, exclusive: false, destinations: [] })),
  );
}

const SERVICE = "TCP 10.0.2.11:5432";
const OTHER = "TCP 10.0.2.11:5433";

/** The real trackers and notifications over a runner that runs nothing; everything is done at once. */
function hostSide(parts: {
  readonly events: EventLog;
  readonly onResults: (results: readonly TrackResult[]) => void;
  readonly calls: string[];
  readonly examine: () => ScriptProblem | undefined;
  readonly time: VirtualTime;
  readonly hang: boolean;
}): HostSide {
  const { events, onResults, calls, examine, time, hang } = parts;
  const ended = { outcome: { kind: "exited", status: 0 }, tookMs: 0, output: "" } as const;
  const runner = {
    examine: () => ({ refused: examine(), warning: undefined }),
    run: ({ name, arguments: words }: ScriptRequest) => {
      calls.push(`run ${name}: ${words.join(" ")}`);
      return { done: hang ? new Promise<typeof ended>(silent) : Promise.resolve(ended), kill: silent };
    },
    close: () => Promise.resolve(),
  };
  const common = {
    runner,
    clock: time,
    timers: time,
    wallMs: () => 0,
    events,
  };
  return new HostSide({
    ...common,
    setScriptPolicy: silent,
    kickDoor: new KickDoor({
      ...common,
      open: () => Promise.reject(new Error("not asked here")),
      kick: () => ({ ok: true, lines: [] }),
    }),
    trackers: new Trackers({
      ...common,
      onResults,
      files: { watch: () => silent, read: () => ({ kind: "missing" }), initialize: () => true },
      processes: {
        start: silent,
        processes: () => [],
        mode: () => "polling",
        whyPolling: silent,
        stop: silent,
      },
    }),
    notifier: new Notifier({
      ...common,
      sender: { send: () => Promise.resolve() },
      hostName: () => "host1",
      openFifo: () => {
        throw new Error("not asked here");
      },
    }),
  });
}

const RECORDING: Recording = { format: "holdfast-recording-2", begin: { instances: [], groups: [] }, entries: [] };

/** A daemon between halves that only write down what they are told, over the fake kernel. */
function world(
  options: { readonly vrrpStart?: Promise<void>; readonly config?: Config; readonly scriptsHang?: boolean } = {},
) {
  /** What the run directory remembers as ours. */
  let owned: ReadonlySet<ServiceId> = new Set();
  const time = new VirtualTime();
  const tracked: (readonly TrackResult[])[] = [];
  let vrrp: VrrpListener | undefined;
  const calls: string[] = [];
  const kernel = new FakeKernel();
  kernel.afterChange = (cause) => {
    if (cause !== "administrator") calls.push(`${cause.kind} ${serviceId(cause.service)}`);
  };
  let configured: Config["virtualServers"] = [];
  let health: HealthListener | undefined;
  let loaded: { ok: true; config: Config } | { ok: false; message: string } = { ok: true, config: configOf(5433) };
  let refused: ScriptProblem | undefined;
  let vrrpConfigure: () => Promise<void> = () => Promise.resolve();
  let vrrpSurrender: () => Promise<void> = () => Promise.resolve();
  const called = async (name: string, result: Promise<void> = Promise.resolve()): Promise<void> => {
    calls.push(name);
    await result;
  };
  const events = new EventLog({ logger, wallMs: () => 0 });
  const table = new TableOwner(
    { repairInterval: milliseconds(2_000) },
    {
      open: () => kernel,
      store: {
        readOwnedServices: () => new Set(owned),
        writeOwnedServices: (now) => {
          owned = now;
        },
      },
      events,
      clock: { nowUs: () => instantUs(0) },
      timers: { at: () => silent },
    },
  );
  const lvs = new FakeLvs();
  const hostAddresses: Ip[] = [];
  lvs.onStep = (words) => calls.push(words);
  const daemon = new Daemon(
    { version: "test", configFile: "test.conf", config: options.config ?? configOf(5432) },
    {
      events,
      table,
      store: { readOperatorMemory: silent, writeOperatorMemory: silent },
      lvs: lvs.side({ events, clock: time, timers: time }),
      followAddresses: (tell) =>
        new AddressFollower({ readAddresses: () => hostAddresses, tell, events, clock: time, timers: time }),
      wallMs: () => 1_000,
      clock: time,
      createVrrp: (listener) => {
        vrrp = listener;
        return {
          start: () => called("vrrp start", options.vrrpStart),
          releaseElection: () => void calls.push("vrrp elects"),
          configure: () => called("vrrp configure", vrrpConfigure()),
          track: (results) => void tracked.push(results),
          record: () => Promise.resolve(RECORDING),
          guard: () => undefined,
          status: () => Promise.reject(new Error("not asked here")),
          surrender: async () => {
            await called("vrrp surrender", vrrpSurrender());
            return { instances: [], groups: [], settings: [] };
          },
          adopt: () => called("vrrp adopt"),
          stop: () => called("vrrp stop"),
        };
      },
      createHealth: (listener) => {
        health = listener;
        return {
          configure: (virtualServers) => {
            calls.push("health configure");
            configured = virtualServers;
          },
          kick: (services) => void calls.push(`kick ${services === undefined ? "all" : [...services].join()}`),
          override: (overrides) => void calls.push(`override ${overrides.length}`),
          addresses: (held) => void calls.push(`addresses ${[...held].join(" ")}`),
          files: (values) => {
            if (values.size > 0) calls.push(`files ${[...values].map((each) => each.join("=")).join()}`);
          },
          desired: () => desiredOf({ ...configOf(5432), virtualServers: configured }),
          view: () => [],
          services: () => configured,
          cluster: silent,
          countsCluster: () => true,
          forgetCluster: silent,
          rememberMembers: silent,
          stop: () => void calls.push("health stop"),
        };
      },
      createHostSide: (onResults) =>
        hostSide({ events, onResults, calls, examine: () => refused, time, hang: options.scriptsHang === true }),
      notify: (state) => void calls.push(state.replace(/\n.*/s, "")),
      load: () => loaded,
    },
  );
  return {
    daemon,
    events,
    kernel,
    lvs,
    hostAddresses,
    time,
    tracked,
    vrrp: () => {
      if (vrrp === undefined) throw new Error("no VRRP half was made");
      return vrrp;
    },
    /** What was called since the last look. */
    taken: () => calls.splice(0),
    listener: () => {
      if (health === undefined) throw new Error("no health half was made");
      return health;
    },
    services: () => kernel.dump().map(({ key }) => serviceId(key)),
    owned: () => [...owned],
    refusesScripts: (problem: ScriptProblem | undefined) => {
      refused = problem;
    },
    loads: (next: typeof loaded) => {
      loaded = next;
    },
    vrrpConfigures: (next: typeof vrrpConfigure) => {
      vrrpConfigure = next;
    },
    vrrpSurrenders: (next: typeof vrrpSurrender) => {
      vrrpSurrender = next;
    },
  };
}

async function started() {
  const it = world();
  await it.daemon.start();
  it.listener().onFirstVerdicts();
  it.taken();
  return it;
}

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

test("a reload: VRRP first, then checks, then the table; what left the file leaves the kernel", async () => {
  const it = await started();
  expect(await it.daemon.reload()).toEqual({ ok: true });
  expect(it.taken()).toEqual([
    "RELOADING=1",
    "vrrp configure",
    "health configure",
    `addService ${OTHER}`,
    `deleteService ${SERVICE}`,
    "READY=1",
  ]);
});

test("a refused file changes nothing and is told", async () => {
  const it = await started();
  it.loads({ ok: false, message: "test.conf:1:1: error: no" });
  expect(await it.daemon.reload()).toEqual({ ok: false, message: "test.conf:1:1: error: no" });
  expect(it.taken()).toEqual(["RELOADING=1", "READY=1"]);
  expect(it.events.latest().at(-1)).toMatchObject({ kind: "reloadRefused" });
});

test("a file that kills the VRRP worker changes nothing else", async () => {
  const it = await started();
  it.vrrpConfigures(() => Promise.reject(new HoldfastError("vrrpWorkerDied", "the VRRP worker died: on purpose")));
  expect(await it.daemon.reload()).toEqual({ ok: false, message: "the VRRP worker died: on purpose" });
  expect(it.taken()).toEqual(["RELOADING=1", "vrrp configure", "READY=1"]);
  expect(it.services()).toEqual([SERVICE]);
});

test("a reload that the end overtakes writes nothing more, and is not told as done", async () => {
  const it = await started();
  let answered: () => void = silent;
  it.vrrpConfigures(() => new Promise((resolve) => (answered = resolve)));
  const reloading = it.daemon.reload();
  await new Promise((resolve) => setImmediate(resolve));
  await it.daemon.stop();
  it.taken();
  answered();
  expect(await reloading).toEqual({ ok: false, message: "holdfast is stopping" });
  expect(it.taken()).toEqual([]);
  expect(it.services()).toEqual([]);
});

test("a surrender waits for the reload that runs, and both halves have the new file then", async () => {
  const it = await started();
  let answered: () => void = silent;
  it.vrrpConfigures(() => new Promise((resolve) => (answered = resolve)));
  const reloading = it.daemon.reload();
  await settled();
  const surrendering = it.daemon.surrender(1, silent);
  await settled();
  expect(it.taken()).toEqual(["RELOADING=1", "vrrp configure"]);
  answered();
  expect(await reloading).toEqual({ ok: true });
  await surrendering;
  expect(it.taken().slice(-3)).toEqual(["READY=1", "vrrp surrender", "health stop"]);
  expect(it.services()).toEqual([OTHER]);
});

test("an end that is asked for during a surrender comes when that fails, and is the successor's where it does not", async () => {
  const it = await started();
  let fails: (error: Error) => void = silent;
  it.vrrpSurrenders(() => new Promise((_, reject) => (fails = reject)));
  const surrendering = it.daemon.surrender(1, silent);
  await settled();
  const stopping = it.daemon.stop();
  fails(new HoldfastError("vrrpWorkerDied", "on purpose"));
  await expect(surrendering).rejects.toThrow("on purpose");
  await stopping;
  expect(it.taken()).toEqual(["vrrp surrender", "STOPPING=1", "health stop", "vrrp stop", `deleteService ${SERVICE}`]);
  const other = await started();
  let given: () => void = silent;
  other.vrrpSurrenders(() => new Promise((resolve) => (given = resolve)));
  const giving = other.daemon.surrender(1, silent);
  await settled();
  const ended = other.daemon.stop();
  given();
  await giving;
  await other.daemon.leave();
  await ended;
  expect(other.services()).toEqual([SERVICE]);
});

test("from the start of a successor until its result is known, reloads are refused with the reason", async () => {
  const it = await started();
  it.loads({ ok: true, config: configOf(5432) });
  let answers: (answer: FromSuccessor) => void = silent;
  const giving = giveOver(undefined, {
    daemon: it.daemon,
    startSuccessor: () => ({
      ...{ processId: 7, send: () => Promise.resolve(), kill: silent, leave: silent },
      next: () => new Promise((resolve) => (answers = resolve)),
    }),
    guard: () => ({ processId: 8, lockedInMemory: false, descriptor: 9 }),
    stopListening: () => Promise.resolve(),
    notify: silent,
  });
  // Asked for before the successor is there, and due behind the handover's own one.
  const behind = it.daemon.reload();
  await settled();
  const refused = { ok: false, message: expect.stringContaining("a handover is under way") };
  expect(await behind).toEqual(refused);
  expect(await it.daemon.reload()).toEqual(refused);
  expect(it.taken().filter((call) => call === "vrrp configure")).toHaveLength(1);
  answers({ kind: "refused", message: "no" });
  expect(await giving).toEqual({ ok: false, surrendered: false, message: "no" });
  expect(await it.daemon.reload()).toEqual({ ok: true });
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
