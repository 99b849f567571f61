import { expect, test } from "vitest";
import { HoldfastError } from "../../src/core/errors.ts";
import { ip } from "../../src/core/ip.ts";
import { giveOver } from "../../src/daemon/handover/giver.ts";
import type { FromSuccessor } from "../../src/daemon/handover/protocol.ts";
import { PLAIN_ROW, PLAIN_SERVICE } from "../lab/ipvsDefaults.ts";
import { settled } from "../lab/virtualTime.ts";
import { configOf, OTHER, SERVICE, silent, started } from "./daemonWorld.ts";

/** Reload and surrender: one behind the other, and none half done. */

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

test("a reload tells the weights that the kernel has of what it brings, and of nothing else", async () => {
  const it = await started();
  const service = { protocol: "TCP", address: ip("10.0.2.11"), port: 5433 } as const;
  it.kernel.administrator({ kind: "addService", service, attributes: { ...PLAIN_SERVICE, scheduler: "lc" } });
  const destination = { address: ip("10.0.2.3"), port: 5433 };
  const attributes = { ...PLAIN_ROW, weight: 7 };
  it.kernel.administrator({ kind: "addDestination", service, destination, attributes });
  await it.daemon.reload();
  expect(it.existing()).toEqual(new Map([[OTHER, new Map([["10.0.2.3:5433", 7]])]]));
  await it.daemon.reload();
  expect(it.existing()).toEqual(new Map());
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
