import { beforeEach, expect, test } from "vitest";
import { parseSpan } from "../../src/cli/operator.ts";
import type { VirtualServerConfig } from "../../src/config/types.ts";
import { ip } from "../../src/core/ip.ts";
import { milliseconds, seconds, type Us } from "../../src/core/units.ts";
import { Operator } from "../../src/daemon/operator.ts";
import type { Override } from "../../src/health/overrides.ts";
import {
  HealthRig,
  type Reply,
  realServer,
  targetAt,
  tcpCheck,
  virtualServer,
  writeService,
} from "../sim/healthRig.ts";
import { fails, follows, leads } from "../sim/patroniAnswers.ts";
import { following, listing } from "./discoveryRig.ts";

const connected: Reply = { outcome: { kind: "connected" }, after: milliseconds(1) };
const GROUP = { name: "TCP group R", targets: [...targetAt("10.0.2.11").targets, ...targetAt("10.0.2.12").targets] };
const BOOT_MS = 1_700_000_000_000;

let rig: HealthRig;
let stored: unknown;
let pausedUntil: Us | undefined;
let refusal: string | undefined;
/** Whether the repair was paused when overrides were told. */
let overriddenInPause: boolean[] = [];
const services = [
  writeService(),
  virtualServer(
    [3, 4, 5].map((host) => realServer(host, [tcpCheck(host)])),
    GROUP,
  ),
];

function operator(known: readonly VirtualServerConfig[] = services): Operator {
  return new Operator({
    store: {
      readOperatorMemory: () => (stored === undefined ? undefined : JSON.parse(JSON.stringify(stored))),
      writeOperatorMemory: (memory) => {
        stored = memory;
      },
    },
    health: {
      override: (overrides: readonly Override[]) => {
        overriddenInPause.push(pausedUntil !== undefined);
        rig.feed({ kind: "overrides", overrides });
      },
      view: () => rig.view(),
      kick: (services, source) => rig.feed({ kind: "kick", services, source }),
      forgetCluster: (services) => rig.feed({ kind: "forgetCluster", services }),
    },
    table: {
      get pausedUntil() {
        return pausedUntil;
      },
      pauseRepair: (until) => {
        pausedUntil = until;
      },
    },
    services: () => known,
    refusal: () => refusal,
    clock: { nowUs: () => rig.now },
    wallMs: () => BOOT_MS + rig.elapsedMs(),
  });
}

function newLife(): void {
  rig = new HealthRig({
    respond: ({ kind, connectIp }) => {
      if (kind === "TCP_CHECK") return connectIp === "10.0.2.5" ? fails("refused") : connected;
      return connectIp === "10.0.2.3" ? leads() : follows();
    },
  });
  rig.configure(services);
  rig.run(seconds(3));
}

beforeEach(() => {
  stored = undefined;
  pausedUntil = undefined;
  refusal = undefined;
  overriddenInPause = [];
  newLife();
});

test("the answer says what each server has now, and why where a word has no effect", () => {
  const it = operator();
  expect(it.override({ command: "override", server: "10.0.2.4", weight: 9 })).toEqual({
    ok: true,
    lines: [
      "TCP 10.0.2.10:5432: 10.0.2.4:5432 has weight 0, without effect now: 10.0.2.3:5432 holds this exclusive service; a second server never gets weight",
      "TCP group R: 10.0.2.4:5432 has weight 9",
    ],
  });
  expect(it.override({ command: "override", server: "10.0.2.5", service: "10.0.2.12:5432", weight: 9 })).toEqual({
    ok: true,
    lines: [
      "TCP group R: 10.0.2.5:5432 has weight 0, without effect now: down (connection refused); only a server whose checks pass gets weight",
    ],
  });
  expect(it.override({ command: "override", server: "10.0.2.3", service: "TCP 10.0.2.10:5432", weight: 0 })).toEqual({
    ok: true,
    lines: [
      "TCP 10.0.2.10:5432: 10.0.2.3:5432 has weight 0: it holds this exclusive service, so nobody gets new connections now",
    ],
  });
});

test.each([
  [
    { server: "10.0.2.9", weight: 0 },
    "there is no real_server 10.0.2.9 everywhere; there are: 10.0.2.3:5432, 10.0.2.4:5432",
  ],
  [{ server: "pg1", weight: 0 }, "pg1 is no server: write ADDRESS"],
  [
    { server: "10.0.2.3", weight: 0, service: "10.0.2.99:80" },
    "there is no service 10.0.2.99:80; there are: TCP 10.0.2.10:5432",
  ],
  [{ server: "10.0.2.3", weight: 65_536 }, "weight 65536 is not a whole number from 0 to 65535"],
  [{ server: "10.0.2.3" }, "weight undefined is not"],
  [{ server: "10.0.2.3", weight: 1, seconds: 0 }, "0 is not a whole number of seconds from 1"],
])("what cannot be is refused with the reason: %j", (request, words) => {
  const it = operator();
  const result = it.override({ command: "override", ...request });
  expect(result).toMatchObject({ ok: false, error: expect.stringContaining(words) });
  expect(it.status().overrides).toEqual([]);
  expect(stored).toBeUndefined();
});

test("enable takes back the target and its parts; a part of what was said as a whole is refused with the way out", () => {
  const it = operator();
  it.override({ command: "override", server: "10.0.2.4", weight: 0 });
  expect(it.enable({ command: "enable", server: "10.0.2.4", service: "TCP group R" })).toEqual({
    ok: false,
    error:
      "10.0.2.4 everywhere is drained as a whole: enable that, or say for 10.0.2.4 of TCP group R which weight it is to have",
  });
  it.override({ command: "override", server: "10.0.2.4:5432", service: "TCP group R", weight: 3 });
  expect(rig.weights(1)[4]).toBe(3);
  expect(it.enable({ command: "enable", server: "10.0.2.4" })).toMatchObject({ ok: true });
  expect(rig.weights(1)[4]).toBe(50);
  expect(it.enable({ command: "enable", server: "10.0.2.4" })).toMatchObject({ ok: false });
});

test("over a restart only what was to be kept, with the time that it has left; in a successor everything", () => {
  const it = operator();
  it.override({ command: "override", server: "10.0.2.3", service: "TCP group R", weight: 0 });
  it.override({ command: "override", server: "10.0.2.4", weight: 7, seconds: 60, keep: true });
  const before = it.status().overrides;
  newLife();
  const next = operator();
  next.load(false);
  expect(next.status().overrides).toEqual([before[1]]);
  expect(rig.weights(1)).toEqual({ 3: 50, 4: 7, 5: 0 });
  newLife();
  const successor = operator();
  successor.load(true);
  expect(successor.status().overrides).toEqual(before);
  expect(rig.weights(1)).toEqual({ 3: 0, 4: 7, 5: 0 });
  rig.run(seconds(60));
  expect(rig.weights(1)[4]).toBe(50);
  expect(successor.status().overrides).toEqual([before[0]]);
});

test("nothing is said any more to a daemon that ends or has a successor: what is remembered is the successor's", () => {
  const it = operator();
  refusal = "holdfast is stopping";
  expect([
    it.override({ command: "override", server: "10.0.2.4", weight: 7 }),
    it.enable({ command: "enable", server: "10.0.2.4" }),
    it.pauseRepair(600),
  ]).toEqual(Array(3).fill({ ok: false, error: "holdfast is stopping" }));
  expect(it.status()).toEqual({ overrides: [], repairPausedUntilMs: undefined });
  expect(stored).toBeUndefined();
});

test("a successor inherits a pause before the overrides: they program nothing in it", () => {
  const it = operator();
  it.override({ command: "override", server: "10.0.2.4", weight: 7 });
  it.pauseRepair(600);
  pausedUntil = undefined;
  newLife();
  overriddenInPause = [];
  operator().load(true);
  expect(overriddenInPause).toEqual([true]);
});

test("what stands in the file and is no memory of ours is left out", () => {
  stored = {
    overrides: [{ target: { address: "x" }, weight: 1 }, null, { weight: 1 }, 7],
    repairPausedUntilMs: "soon",
  };
  const it = operator();
  it.load(true);
  expect(it.status()).toEqual({ overrides: [], repairPausedUntilMs: undefined });
});

test("a pause is remembered over a death, and not over an end that empties the table", () => {
  const it = operator();
  expect(it.pauseRepair(600)).toMatchObject({ ok: true });
  expect(it.status().repairPausedUntilMs).toBe(BOOT_MS + rig.elapsedMs() + 600_000);
  pausedUntil = undefined;
  operator().load(false);
  expect(pausedUntil).toBe(rig.now + 600_000_000);
  it.stopping();
  pausedUntil = undefined;
  operator().load(false);
  expect(pausedUntil).toBeUndefined();
  expect(it.pauseRepair(-1)).toMatchObject({ ok: false });
  expect(it.pauseRepair(undefined)).toMatchObject({ ok: false });
  expect(it.pauseRepair(0)).toEqual({ ok: true, lines: ["nothing was paused"] });
});

test.each([
  ["90", 90],
  ["90s", 90],
  ["10m", 600],
  ["2h", 7_200],
  ["1d", 86_400],
  ["", null],
  ["m", null],
  ["1w", null],
  ["-5", null],
])("a span as an operator writes it: %s", (text, expected) => {
  expect(parseSpan(text)).toBe(expected);
});

test("forget is for services that follow a cluster, by name", () => {
  const followed = { ...following(), ...targetAt("10.0.2.20") };
  const speaker = operator([...services, followed]);
  rig.configure([...services, followed]);
  rig.feed({ kind: "cluster", service: followed.name, source: "a REST API", outcome: listing(3) });
  const isPending = (): boolean | undefined => rig.view().at(-1)?.members?.learnsAnew;
  const refusals = [
    [[], `name the services; with patroni_cluster there are: ${followed.name}`],
    [
      ["10.0.2.10:5432"],
      `10.0.2.10:5432 follows no cluster (patroni_cluster); with patroni_cluster there are: ${followed.name}`,
    ],
    [["10.0.2.99:5432"], `there is no service 10.0.2.99:5432; with patroni_cluster there are: ${followed.name}`],
  ] as const;
  for (const [names, error] of refusals) expect(speaker.forget(names)).toEqual({ ok: false, error });
  expect(isPending()).toBe(false);
  expect(speaker.forget(["10.0.2.20:5432"])).toEqual({
    ok: true,
    lines: [`${followed.name}: the next list of members decides whose cluster it is`],
  });
  expect(isPending()).toBe(true);
  refusal = "holdfast is stopping";
  expect(speaker.forget(["10.0.2.20:5432"])).toEqual({ ok: false, error: "holdfast is stopping" });
});

test("forget refuses a name that may mean two services, as drain does; one that follows no cluster is not meant", () => {
  const tcp = { ...following(), ...targetAt("10.0.2.20") };
  const targets = [{ protocol: "UDP", address: ip("10.0.2.20"), port: 5432 }] as const;
  const udp = { ...tcp, name: "UDP 10.0.2.20:5432", targets };
  const { discovery: _, ...plainUdp } = udp;
  rig.configure([tcp, udp]);
  expect(operator([tcp, udp]).forget(["10.0.2.20:5432"])).toEqual({
    ok: false,
    error: `10.0.2.20:5432 may be ${tcp.name}, ${udp.name}: write one of them`,
  });
  expect(operator([tcp, udp]).forget([udp.name])).toMatchObject({ ok: true });
  expect(operator([tcp, plainUdp]).forget(["10.0.2.20:5432"])).toEqual({
    ok: true,
    lines: [`${tcp.name}: the next list of members decides whose cluster it is`],
  });
});
