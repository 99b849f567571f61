import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import type { DaemonStatus } from "../../src/daemon/control.types.ts";
import { AddressWatch, wallClockMs } from "../lab/addressWatch.ts";
import { Keepalived } from "../lab/keepalived.ts";
import { createNetwork, type Network } from "../lab/netns.ts";
import { requires } from "../lab/requires.ts";
import { Systemd } from "../lab/systemd.ts";
import { waitFor } from "../lab/wait.ts";

const VIP = "10.0.2.10";
const MORE = "10.0.2.11";
const UNIT = "holdfast.service";
/** An emulated processor starts a daemon in seconds, a slow one in many. */
const PATIENCE_MS = 180_000;
const HOOK = "/opt/holdfast/dist-test/test/chaos/programs/dieAt.js";

/** `a` does not take back what the other has taken: who holds it in the end, shows who took it. */
const configuration = (priority: number, vips = [VIP]): string => `vrrp_instance RW {
  state BACKUP
  nopreempt
  interface eth0
  virtual_router_id 1
  priority ${priority}
  advert_int 1
  virtual_ipaddress {
${vips.map((vip) => `    ${vip}/24`).join("\n")}
  }
}
`;

/** systemd/holdfast.service under a real systemd: whatever it does to the service, one holder. */
requires(
  "netns",
  "keepalived",
  "systemd",
)("the unit under systemd", () => {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-unit-"));
  let network: Network;
  let watch: AddressWatch;
  let systemd: Systemd;
  let peer: Keepalived | undefined;

  beforeAll(async () => {
    network = await createNetwork({
      prefix: "unit",
      hosts: [
        { name: "a", addresses: ["10.0.2.1/24"] },
        { name: "b", addresses: ["10.0.2.2/24"] },
      ],
    });
    watch = await AddressWatch.start(network.hosts);
    systemd = await Systemd.start({
      configuration: configuration(150),
      networkNamespace: network.host("a").path,
    });
  });
  afterEach(async () => {
    await peer?.stop();
    peer = undefined;
    await systemd.systemctl(["stop", UNIT], true);
    await systemd.systemctl(["reset-failed", UNIT], true);
    await waitFor(() => holders() === "", { what: "no address to be left", timeoutMs: PATIENCE_MS });
  });
  afterAll(async () => {
    await systemd?.stop();
    await watch?.stop();
    network?.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  const holders = (): string => watch.holders(VIP).join();
  const told = (): string => `${systemd.words.slice(-4_000)}\n${systemd.log.slice(-6_000)}`;

  async function status(): Promise<DaemonStatus | undefined> {
    const { status: code, stdout } = await systemd.holdfast("status", "--json", "--run-dir", "/run/holdfast");
    return code === 0 ? (JSON.parse(stdout) as DaemonStatus) : undefined;
  }

  async function untilHeldBy(host: string): Promise<void> {
    const what = `${VIP} at ${host}`;
    await waitFor(() => holders() === host, { what, timeoutMs: PATIENCE_MS, found: told });
  }

  /** The service holds the address under a guard, and keepalived is the backup. */
  async function start(): Promise<void> {
    systemd.configure(configuration(150));
    // Type=notify: ends when the daemon is ready.
    await systemd.systemctl(["start", UNIT]);
    await untilHeldBy("a");
    await waitFor(async () => (await status())?.vrrp.will.armed, {
      what: "an armed guard",
      timeoutMs: PATIENCE_MS,
      found: told,
    });
    const file = join(folder, "b.conf");
    writeFileSync(file, `global_defs {\n  vrrp_strict\n}\n${configuration(100)}`);
    peer = await Keepalived.start(network.host("b"), file);
    await peer.process.waitForOutput(/Entering BACKUP STATE/, PATIENCE_MS);
  }

  async function untilActive(): Promise<void> {
    const active = async (): Promise<boolean> => (await systemd.show("ActiveState")) === "active";
    await waitFor(active, { what: "the service to be active", timeoutMs: PATIENCE_MS, found: told });
  }

  const restarts = async (): Promise<number> => Number(await systemd.show("NRestarts"));

  it("kill -9 of the main process: the guard releases, the peer takes over, the service is started again", async () => {
    await start();
    const sinceMs = wallClockMs();
    await systemd.systemctl(["kill", "--kill-who=main", "--signal=KILL", UNIT]);
    await untilHeldBy("b");
    await waitFor(async () => (await restarts()) === 1, { what: "the restart", timeoutMs: PATIENCE_MS, found: told });
    await untilActive();
    expect(watch.doubleHoldMs(VIP, sinceMs)).toBe(0);
    expect(systemd.log).toContain("the last will of process");
    expect(holders()).toBe("b");
  });

  it("systemctl kill -s KILL, guard and all: ExecStopPost removes what they left before the lease ends", async () => {
    await start();
    const [sinceMs, before] = [wallClockMs(), systemd.log.length];
    await systemd.systemctl(["kill", "--kill-who=all", "--signal=KILL", UNIT]);
    await untilHeldBy("b");
    await untilActive();
    expect(watch.doubleHoldMs(VIP, sinceMs)).toBe(0);
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
    expect(watch.doubleHoldMs(VIP, sinceMs)).toBe(0);
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
    await untilActive();
    expect(watch.doubleHoldMs(VIP, sinceMs)).toBe(0);
    const changes = watch.events().filter(({ atMs, address }) => address === VIP && atMs >= sinceMs);
    expect(changes.map(({ host, present }) => [host, present])).toEqual([
      ["a", false],
      ["b", true],
    ]);
  });

  it("systemctl reload takes the new file, in the same process", async () => {
    await start();
    const before = await systemd.show("MainPID");
    systemd.configure(configuration(150, [VIP, MORE]));
    await systemd.systemctl(["reload", UNIT]);
    await waitFor(() => watch.holders(MORE).join() === "a", { what: "the new address", timeoutMs: PATIENCE_MS });
    expect(await systemd.show("MainPID")).toBe(before);
    expect(await systemd.show("ActiveState")).toBe("active");
    expect(holders()).toBe("a");
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
    expect([await systemd.show("ActiveState"), await restarts()]).toEqual(["active", 0]);
    expect(watch.events().filter(({ atMs }) => atMs >= sinceMs)).toEqual([]);
    await systemd.systemctl(["kill", "--kill-who=main", "--signal=KILL", UNIT]);
    await untilHeldBy("b");
    await waitFor(async () => (await restarts()) === 1, { what: "the restart", timeoutMs: PATIENCE_MS, found: told });
    expect(watch.doubleHoldMs(VIP, sinceMs)).toBe(0);
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
      configuration: configuration(150),
      networkNamespace: network.host("a").path,
      serviceLines: [`Environment="NODE_OPTIONS=--import=${HOOK}" "HOLDFAST_DIE_AT=${dieAt}"`],
    });
    const unit = systemd;
    const has = async (): Promise<boolean> => await network.host("a").hasAddress(VIP);
    await unit.systemctl(["start", UNIT]);
    await waitFor(has, { what: "the address", timeoutMs: PATIENCE_MS, found: () => unit.log });
    await unit.holdfast("handover", "--run-dir", "/run/holdfast");
    await waitFor(async () => (await unit.show("NRestarts")) === "1", {
      what: "the restart",
      timeoutMs: PATIENCE_MS,
      found: () => `${unit.words}\n${unit.log}`,
    });
    await waitFor(has, { what: "the address again", timeoutMs: PATIENCE_MS, found: () => unit.log });
  });
});
