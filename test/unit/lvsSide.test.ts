import { beforeEach, describe, expect, test } from "vitest";
import type { Config } from "../../src/config/index.ts";
import { ip } from "../../src/core/ip.ts";
import { EventLog } from "../../src/daemon/events.ts";
import type { LvsSide } from "../../src/daemon/lvs/lvsSide.ts";
import type { DesiredService } from "../../src/plan/types.ts";
import { configFrom } from "../lab/configText.ts";
import { FakeLvs } from "../lab/fakeLvs.ts";
import { PLAIN_SERVICE } from "../lab/ipvsDefaults.ts";
import { recordingLogger } from "../lab/recordingLogger.ts";
import { VirtualTime } from "../lab/virtualTime.ts";

/** Connection sync, idle limits and sysctls follow configuration, VRRP states and services; what runs rightly is left alone. */

const INSTANCE =
  "vrrp_instance RW {\n interface eth0\n virtual_router_id 51\n virtual_ipaddress {\n 10.0.2.10\n }\n}\n";
const SERVICE =
  "virtual_server 10.0.2.10 5432 {\n lvs_method DR\n protocol TCP\n real_server 10.0.2.3 5432 {\n TCP_CHECK {\n }\n }\n}\n";
const configuration = (global: string): Config => configFrom(`global_defs {\n${global}\n}\n${INSTANCE}${SERVICE}`);
const SYNC = configuration("lvs_sync_daemon eth1 inst RW");
const DEFAULTS = { port: 8848, ttl: 1, group: ip("224.0.0.81"), lengthMax: 1_472 };

let kernel: FakeLvs;
let time: VirtualTime;
let events: EventLog;
const born = (): LvsSide => kernel.side({ events, clock: time, timers: time });
const life = (config: Config): LvsSide => {
  const side = born();
  side.configure(config);
  return side;
};
const serving = (protocol: "TCP" | "UDP", exclusive: boolean): DesiredService[] => [
  { ...PLAIN_SERVICE, key: { protocol, address: ip("10.0.2.10"), port: 5432 }, exclusive, destinations: [] },
];
const kinds = (): string[] => events.latest().map(({ kind }) => kind);

beforeEach(() => {
  kernel = new FakeLvs();
  time = new VirtualTime();
  events = new EventLog({ logger: recordingLogger().logger, wallMs: () => 0 });
});

describe("connection sync", () => {
  test("receives until the instance is MASTER, sends while it is, and receives again", () => {
    const side = life(SYNC);
    expect(kernel.taken()).toEqual(["start backup eth1 51"]);
    side.transition("RW", "BACKUP");
    side.transition("OTHER", "MASTER");
    expect(kernel.taken()).toEqual([]);
    side.transition("RW", "MASTER");
    expect(kernel.taken()).toEqual(["stop backup", "start master eth1 51"]);
    side.transition("RW", "FAULT");
    expect(kernel.taken()).toEqual(["stop master", "start backup eth1 51"]);
    expect(side.status()?.syncDaemons).toEqual([{ role: "backup", interface: "eth1", syncId: 51, ...DEFAULTS }]);
  });

  test("without an instance it sends and receives all the time", () => {
    const side = life(configuration("lvs_sync_daemon eth1"));
    expect(kernel.taken()).toEqual(["start master eth1 0", "start backup eth1 0"]);
    side.transition("RW", "MASTER");
    expect(kernel.taken()).toEqual([]);
  });

  test("stops with the daemon, and an instance that leaves MASTER for the end starts nothing new", () => {
    const side = life(SYNC);
    side.transition("RW", "MASTER");
    kernel.taken();
    side.stopping();
    side.transition("RW", "INIT");
    side.stop();
    expect(kernel.taken()).toEqual(["stop master"]);
    expect(kernel.roles).toEqual(new Set());
  });

  test("a new life over a thread that runs as it should leaves it alone", () => {
    life(SYNC);
    kernel.taken();
    life(SYNC);
    expect(kernel.taken()).toEqual([]);
  });

  test("a successor goes on with the states of its predecessor, without a stop in between", () => {
    const before = life(SYNC);
    before.transition("RW", "MASTER");
    before.leave();
    kernel.taken();
    const successor = born();
    successor.adopt([["RW", "MASTER"]]);
    successor.configure(SYNC);
    expect(kernel.taken()).toEqual([]);
  });

  test("the keyword removed while we were down: what was ours is stopped, an administrator's is not", () => {
    life(SYNC);
    kernel.daemons.push({ role: "master", interface: "eth7", syncId: 9 });
    kernel.taken();
    life(configuration(""));
    expect(kernel.taken()).toEqual(["stop backup"]);
    expect(kernel.daemons).toEqual([{ role: "master", interface: "eth7", syncId: 9 }]);
  });

  test.each([
    ["lvs_sync_daemon eth1 inst RW port 9000", ["stop backup", "start backup eth1 51"]],
    ["lvs_sync_daemon eth1 inst RW id 7", ["stop backup", "start backup eth1 7"]],
    ["lvs_sync_daemon eth1 inst RW maxlen 1400", ["stop backup", "start backup eth1 51"]],
    ["lvs_sync_daemon eth1 RW", []],
    ["", ["stop backup"]],
  ])("a reload with %j changes only what differs", (line, steps) => {
    const side = life(SYNC);
    kernel.taken();
    side.configure(configuration(line));
    expect(kernel.taken()).toEqual(steps);
  });

  test("a length that is not written any more is the kernel's own again", () => {
    const side = life(configuration("lvs_sync_daemon eth1 inst RW maxlen 1400"));
    kernel.taken();
    side.configure(SYNC);
    expect(kernel.taken()).toEqual(["stop backup", "start backup eth1 51"]);
    expect(kernel.daemons[0]?.lengthMax).toBe(1_472);
  });

  test("what others stop is started again, what the kernel refuses is told once and tried again", async () => {
    life(SYNC);
    kernel.taken();
    kernel.daemons = [];
    kernel.refusal = "ENODEV";
    await time.pass(10_000);
    expect(kinds().filter((kind) => kind === "lvsProblem")).toHaveLength(1);
    kernel.refusal = undefined;
    await time.pass(2_000);
    expect(kernel.taken()).toEqual(["start backup eth1 51"]);
    expect(kinds()).toContain("lvsSolved");
  });

  test("where nothing of IPVS is wanted or left nobody looks again; what is refused when it is given back is tried again", async () => {
    const alone = configFrom(INSTANCE);
    const side = life(alone);
    expect(time.isAwaited()).toBe(false);
    side.configure(configFrom(`global_defs {\nlvs_timeouts tcp 7200\n}\n${INSTANCE}`));
    await time.pass(4_000);
    expect(time.isAwaited()).toBe(true);
    kernel.settingRefusal = "EPERM";
    side.configure(alone);
    await time.pass(4_000);
    expect(kernel.settings.get("timeout tcp")).toBe("7200");
    kernel.settingRefusal = undefined;
    await time.pass(4_000);
    expect(kernel.settings.get("timeout tcp")).toBe("900");
    expect(time.isAwaited()).toBe(false);
  });

  test("a limit that the kernel had already is looked at again, too, also without services", async () => {
    life(configFrom(`global_defs {\nlvs_timeouts tcp 900\n}\n${INSTANCE}`));
    kernel.settings.set("timeout tcp", "60");
    await time.pass(2_000);
    expect(kernel.settings.get("timeout tcp")).toBe("900");
  });

  test("after the death of the VRRP worker nothing is MASTER", () => {
    const side = life(SYNC);
    side.transition("RW", "MASTER");
    kernel.taken();
    side.restarted();
    expect(kernel.taken()).toEqual(["stop master", "start backup eth1 51"]);
  });
});

describe("settings", () => {
  const value = (name: string) => kernel.settings.get(name);

  test("idle limits are as written, and what they were when they are not written any more or at the end", () => {
    const side = life(configuration("lvs_timeouts tcp 7260 udp 60"));
    expect(side.status()?.timeoutsSec).toEqual({ tcp: 7_260, tcpfin: 120, udp: 60 });
    side.configure(configuration("lvs_timeouts tcp 3600"));
    expect(kernel.timeouts()).toEqual({ tcp: 3_600, tcpfin: 120, udp: 300 });
    side.stop();
    expect(kernel.timeouts()).toEqual({ tcp: 900, tcpfin: 120, udp: 300 });
  });

  test("sloppy_tcp while there is an exclusive service of TCP, repaired, given back at the end", async () => {
    const side = life(configuration(""));
    side.serve(serving("UDP", true));
    side.serve(serving("TCP", false));
    expect(value("ipv4/vs/sloppy_tcp")).toBe("0");
    side.serve(serving("TCP", true));
    expect(value("ipv4/vs/sloppy_tcp")).toBe("1");
    kernel.settings.set("ipv4/vs/sloppy_tcp", "0");
    await time.pass(2_000);
    expect(value("ipv4/vs/sloppy_tcp")).toBe("1");
    expect(side.status()?.settings).toContainEqual({ name: "ipv4/vs/sloppy_tcp", before: "0", value: "1" });
    side.serve(serving("TCP", false));
    expect(value("ipv4/vs/sloppy_tcp")).toBe("0");
    side.serve(serving("TCP", true));
    side.stop();
    expect(value("ipv4/vs/sloppy_tcp")).toBe("0");
  });

  test.each([
    ["lvs_sloppy_tcp off", true, "0"],
    ["lvs_sloppy_tcp on", false, "1"],
    ["lvs_sloppy_tcp auto", true, "1"],
  ])("%s with exclusive %s: %s", (line, exclusive, expected) => {
    const side = life(configuration(line));
    side.serve(serving("TCP", exclusive));
    expect(value("ipv4/vs/sloppy_tcp")).toBe(expected);
  });

  test.each([
    ["cut and drain need resets", ["cut", "drain"], "", "1", "0"],
    ["affinity that drains needs its templates to end", ["drain 5"], "persistence_timeout 60", "1", "1"],
    ["affinity of an exclusive service is not programmed", ["cut"], "persistence_timeout 60\nexclusive on", "1", "0"],
    ["keep needs nothing", ["keep", "keep"], "persistence_timeout 60", "0", "0"],
  ])("role_loss: %s", (_, policies, line, resets, quiescence) => {
    const services = policies.map(
      (policy, index) =>
        `virtual_server 10.0.2.1${index} 80 {\nprotocol TCP\nlvs_method DR\nrole_loss ${policy}\n${line}\nreal_server 10.0.2.3 80 {\nHTTP_GET {\nurl {\npath /\n}\n}\n}\n}`,
    );
    const side = life(configFrom(services.join("\n")));
    const both = () => [value("ipv4/vs/expire_nodest_conn"), value("ipv4/vs/expire_quiescent_template")];
    expect(both()).toEqual([resets, quiescence]);
    side.configure(configuration("lvs_timeouts tcp 7260"));
    expect(value("ipv4/vs/expire_quiescent_template")).toBe("0");
    side.configure(configFrom(services.join("\n")));
    side.stop();
    expect(both()).toEqual(["0", "0"]);
  });

  test("a new life does not touch what the one before had set until it knows its services", () => {
    life(configuration("")).serve(serving("TCP", true));
    const next = life(configuration(""));
    expect(value("ipv4/vs/sloppy_tcp")).toBe("1");
    next.serve(serving("TCP", false));
    expect(value("ipv4/vs/sloppy_tcp")).toBe("0");
  });

  test("a life that was killed gives back what it had set when the next one does not want it", () => {
    life(configuration("lvs_timeouts tcp 7260"));
    life(configuration(""));
    expect(kernel.timeouts().tcp).toBe(900);
  });
});
