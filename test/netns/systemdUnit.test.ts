import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { wallClockMs } from "../lab/addressWatch.ts";
import { createNetwork, type Network } from "../lab/netns.ts";
import { requires } from "../lab/requires.ts";
import { Systemd, UNIT } from "../lab/systemd.ts";
import { type RouterOptions, routerConfiguration, TwoRouters, VIP } from "../lab/twoRouters.ts";
import { waitFor } from "../lab/wait.ts";

const MORE = "10.0.2.11";
const PATIENCE_MS = 180_000;
const HOOK = "/opt/holdfast/dist-test/test/chaos/programs/dieAt.js";
/** `a` does not take back what the other has taken: who holds it in the end, shows who took it. */
const STAYING = { nopreempt: true } as const;
/** Leases of 8 s: the cleanup is a Node program, and must be quicker than they are on a busy machine, too. */
const SLOW = { ...STAYING, intervalSec: 3 } as const;

/** systemd/holdfast.service under a real systemd: whatever it does to the service, one holder. */
requires(
  "netns",
  "keepalived",
  "systemd",
)("the unit under systemd", () => {
  let lan: TwoRouters;
  let systemd: Systemd;

  beforeAll(async () => {
    lan = await TwoRouters.open("unit", STAYING);
    systemd = await Systemd.start({
      configuration: routerConfiguration(150, STAYING),
      networkNamespace: lan.host("a").path,
    });
  });
  afterEach(async () => {
    await lan.stopPeer();
    await systemd.systemctl(["stop", UNIT], true);
    await systemd.systemctl(["reset-failed", UNIT], true);
    await lan.untilHeldBy("");
  });
  afterAll(async () => {
    await systemd?.stop();
    await lan?.close();
  });

  const told = (): string => systemd.told();
  const untilHeldBy = async (host: "a" | "b"): Promise<void> => await lan.untilHeldBy(host, told);

  /** The service holds the address under a guard, and keepalived is the backup. */
  async function start(options: RouterOptions = STAYING): Promise<void> {
    systemd.configure(routerConfiguration(150, options));
    await systemd.startService();
    await untilHeldBy("a");
    await lan.startPeer("keepalived", options);
  }

  it("kill -9 of the main process: the guard releases, the peer takes over, the service is started again", async () => {
    await start();
    const sinceMs = wallClockMs();
    await systemd.systemctl(["kill", "--kill-who=main", "--signal=KILL", UNIT]);
    await untilHeldBy("b");
    await systemd.untilRestarted(1);
    await systemd.untilActive();
    expect(lan.watch.doubleHoldMs(VIP, sinceMs)).toBe(0);
    expect(systemd.log).toContain("the last will of process");
    expect(lan.holders()).toBe("b");
  });

  it("systemctl kill -s KILL, guard and all: ExecStopPost removes what they left before the lease ends", async () => {
    await start(SLOW);
    const [sinceMs, before] = [wallClockMs(), systemd.log.length];
    // They are killed one behind the other: a guard that runs may have acted on its daemon's death before its own turn comes.
    await systemd.systemctl(["kill", "--kill-who=all", "--signal=STOP", UNIT]);
    await systemd.systemctl(["kill", "--kill-who=all", "--signal=KILL", UNIT]);
    await untilHeldBy("b");
    await systemd.untilActive();
    expect(lan.watch.doubleHoldMs(VIP, sinceMs)).toBe(0);
    const said = systemd.log.slice(before);
    expect(said).not.toContain("the last will of process");
    expect(said).toContain(`removed ${VIP}/32 dev eth0`);
  });

  it("killed again and again as soon as it runs: never two holders, and systemd gives up or it runs", async () => {
    await start();
    const sinceMs = wallClockMs();
    for (let count = 0; count < 6; count++) {
      await waitFor(async () => (await systemd.show("MainPID")) !== "0" || (await gaveUp()), {
        what: "a main process",
        timeoutMs: PATIENCE_MS,
        found: told,
      });
      await systemd.systemctl(["kill", "--kill-who=all", "--signal=KILL", UNIT], true);
    }
    await untilHeldBy("b");
    expect(lan.watch.doubleHoldMs(VIP, sinceMs)).toBe(0);
  });

  const gaveUp = async (): Promise<boolean> => (await systemd.show("Result")) === "start-limit-hit";

  it("five restarts in a row: at most one transition each, never two holders", async () => {
    await start();
    const sinceMs = wallClockMs();
    for (let count = 0; count < 5; count++) {
      await systemd.systemctl(["reset-failed", UNIT]);
      await systemd.systemctl(["restart", UNIT]);
    }
    await untilHeldBy("b");
    await systemd.untilActive();
    expect(lan.watch.doubleHoldMs(VIP, sinceMs)).toBe(0);
    const changes = lan.watch.events().filter(({ atMs, address }) => address === VIP && atMs >= sinceMs);
    expect(changes.map(({ host, present }) => [host, present])).toEqual([
      ["a", false],
      ["b", true],
    ]);
  });

  it("systemctl reload takes the new file, in the same process", async () => {
    await start();
    const before = await systemd.show("MainPID");
    systemd.configure(routerConfiguration(150, { ...STAYING, vips: [VIP, MORE] }));
    await systemd.systemctl(["reload", UNIT]);
    await waitFor(() => lan.watch.holders(MORE).join() === "a", { what: "the new address", timeoutMs: PATIENCE_MS });
    expect(await systemd.show("MainPID")).toBe(before);
    expect(await systemd.show("ActiveState")).toBe("active");
    expect(lan.holders()).toBe("a");
  });

  it("systemctl reload of a file that is refused fails, says why, and changes nothing", async () => {
    await start();
    const [before, said] = [await systemd.show("MainPID"), systemd.log.length];
    systemd.configure("vrrp_instance RW {\n  interface eth0\n");
    expect((await systemd.systemctl(["reload", UNIT], true)).status).not.toBe(0);
    expect(systemd.log.slice(said)).toContain("keepalived.conf:1:");
    expect([await systemd.show("MainPID"), await systemd.show("ActiveState")]).toEqual([before, "active"]);
    expect(lan.holders()).toBe("a");
  });

  it("a handover: systemd follows the new main process, and nothing is seen; its death is answered as the first one's", async () => {
    await start();
    const sinceMs = wallClockMs();
    const before = await systemd.show("MainPID");
    const said = await systemd.holdfast("handover", "--run-dir", "/run/holdfast");
    const successor = /^handed over to process (\d+)$/m.exec(said.stdout)?.[1];
    expect(successor, `${said.stdout}${said.stderr}${told()}`).not.toBe(before);
    await waitFor(async () => (await systemd.show("MainPID")) === successor, {
      what: "the new main process",
      timeoutMs: PATIENCE_MS,
      found: told,
    });
    await waitFor(async () => (await systemd.exec("test", ["-e", `/proc/${before}`], true)).status !== 0, {
      what: "the end of the first process",
      timeoutMs: PATIENCE_MS,
      found: told,
    });
    expect([await systemd.show("ActiveState"), await systemd.show("NRestarts")]).toEqual(["active", "0"]);
    expect(lan.watch.events().filter(({ atMs }) => atMs >= sinceMs)).toEqual([]);
    await systemd.systemctl(["kill", "--kill-who=main", "--signal=KILL", UNIT]);
    await untilHeldBy("b");
    await systemd.untilRestarted(1);
    expect(lan.watch.doubleHoldMs(VIP, sinceMs)).toBe(0);
  });
});

/** A successor that dies behind the switch leaves nobody: systemd must start another daemon. */
requires("netns", "systemd")("the unit after a handover that failed", () => {
  let network: Network;
  let systemd: Systemd | undefined;

  afterEach(async () => {
    await systemd?.stop();
    systemd = undefined;
    network?.remove();
  });

  it.each([
    ["before systemd knows it", "surrender before successor"],
    ["when systemd knows it", "yours behind successor"],
  ])("the successor dies %s: the service is started again and holds the address again", async (_, dieAt) => {
    network = await createNetwork({ prefix: "unitdeath", hosts: [{ name: "a", addresses: ["10.0.2.1/24"] }] });
    systemd = await Systemd.start({
      configuration: routerConfiguration(150),
      networkNamespace: network.host("a").path,
      serviceLines: [`Environment="NODE_OPTIONS=--import=${HOOK}" "HOLDFAST_DIE_AT=${dieAt}"`],
    });
    const unit = systemd;
    const has = async (): Promise<boolean> => await network.host("a").hasAddress(VIP);
    await unit.systemctl(["start", UNIT]);
    await waitFor(has, { what: "the address", timeoutMs: PATIENCE_MS, found: () => unit.log });
    await unit.holdfast("handover", "--run-dir", "/run/holdfast");
    await unit.untilRestarted(1);
    await waitFor(has, { what: "the address again", timeoutMs: PATIENCE_MS, found: () => unit.log });
  });
});
