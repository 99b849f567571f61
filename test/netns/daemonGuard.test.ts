import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { AddressWatch, wallClockMs } from "../lab/addressWatch.ts";
import { Holdfast } from "../lab/holdfast.ts";
import { createNetwork, type Network } from "../lab/netns.ts";
import { requires } from "../lab/requires.ts";
import { projectRoot } from "../lab/root.ts";
import { waitFor } from "../lab/wait.ts";
import { Capture } from "./vrrp/capture.ts";

const PROGRAM = join(projectRoot, "dist/main.js");
const VIP = "10.0.2.10";
const A = "10.0.2.1";
const B = "10.0.2.2";
/** Three intervals of silence, which a peer waits without a guard. */
const SILENCE_MS = 3_000;

function configuration(priority: number, vips = [VIP], advertIntSec = 1): string {
  const lines = vips.map((vip) => `    ${vip}/24`).join("\n");
  return `vrrp_instance RW {
  interface eth0
  virtual_router_id 1
  priority ${priority}
  advert_int ${advertIntSec}
  virtual_ipaddress {
${lines}
  }
}
`;
}

/** One holder, whatever dies: a daemon with its guard on each of two hosts, watched from outside. */
requires("netns", "tshark")("a daemon and its guard", () => {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-daemon-guard-"));
  let network: Network;
  let watch: AddressWatch;
  let capture: Capture;
  const daemons: Holdfast[] = [];

  beforeAll(async () => {
    network = await createNetwork({
      prefix: "dguard",
      hosts: [
        { name: "a", addresses: [`${A}/24`] },
        { name: "b", addresses: [`${B}/24`] },
      ],
    });
    watch = await AddressWatch.start(network.hosts);
    capture = await Capture.start(network.bridge);
  });
  afterEach(async () => {
    for (const daemon of daemons.splice(0)) await daemon.stop();
  });
  afterAll(async () => {
    await watch?.stop();
    await capture?.stop();
    network?.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  async function start(host: "a" | "b", priority: number, advertIntSec = 1): Promise<Holdfast> {
    const file = join(folder, `${host}.conf`);
    writeFileSync(file, configuration(priority, [VIP], advertIntSec));
    const daemon = await Holdfast.start(network.host(host), file);
    daemons.push(daemon);
    return daemon;
  }

  async function untilHeldBy(host: string): Promise<void> {
    await waitFor(() => watch.holders(VIP).join() === host, {
      what: `${VIP} at ${host} alone`,
      timeoutMs: 20_000,
      found: () => daemons.map(({ process }) => process.output).join("\n"),
    });
  }

  /** `a` holds the address and its will is armed; `b` listens. */
  async function pair(): Promise<{ holder: Holdfast; other: Holdfast; sinceMs: number }> {
    const holder = await start("a", 150);
    await holder.waitForStatus("an armed guard", (status) => status.vrrp.will.armed && status.guard !== undefined);
    const other = await start("b", 100);
    await other.waitForStatus("a backup", (status) => status.vrrp.instances[0]?.state === "BACKUP");
    return { holder, other, sinceMs: wallClockMs() };
  }

  /** How long after an instant `b` sent its first advert, once it has taken over. */
  async function takenOverAfterMs(sinceMs: number): Promise<number> {
    await untilHeldBy("b");
    const first = await waitFor(() => capture.adverts(B).find((advert) => advert.atMs >= sinceMs), {
      what: "an advert of the survivor",
    });
    return first.atMs - sinceMs;
  }

  it("kill -9: the addresses go at once, the peer is told and takes over without waiting for silence", async () => {
    const { holder, sinceMs } = await pair();
    const killedMs = wallClockMs();
    process.kill(holder.process.pid, "SIGKILL");
    expect(await takenOverAfterMs(killedMs)).toBeLessThan(SILENCE_MS);
    expect(watch.doubleHoldMs(VIP, sinceMs)).toBe(0);
    const resignations = capture.adverts(A).filter((advert) => advert.atMs >= killedMs && advert.priority === "0");
    expect(resignations).toHaveLength(2);
    expect(resignations.every(({ checksum, ipChecksum }) => checksum === "1" && ipChecksum === "1")).toBe(true);
  });

  it("a hang: what does not beat is killed, and the peer takes over", async () => {
    const { holder, sinceMs } = await pair();
    process.kill(holder.process.pid, "SIGSTOP");
    await untilHeldBy("b");
    await waitFor(() => holder.process.exit?.signal === "SIGKILL", { what: "the end of what hung" });
    expect(watch.doubleHoldMs(VIP, sinceMs)).toBe(0);
  });

  it("daemon and guard killed together: the lease ends before the peer takes over", async () => {
    const { holder, sinceMs } = await pair();
    await holder.killEverything();
    await untilHeldBy("b");
    expect(watch.doubleHoldMs(VIP, sinceMs)).toBe(0);
  });

  it("cleanup removes what both left, and is refused beside a living daemon", async () => {
    // A lease of a minute: it must not end before the program that is to remove the address has started.
    const holder = await start("a", 255, 20);
    await holder.waitForStatus("an armed guard", (status) => status.vrrp.will.armed);
    const file = join(folder, "a.conf");
    const cleanup = ["cleanup", "-f", file, "--run-dir", holder.runDirectory];
    const host = network.host("a");
    const refused = await host.exec(process.execPath, [PROGRAM, ...cleanup], { allowFailure: true });
    expect([refused.status, refused.stderr]).toEqual([4, expect.stringContaining("another holdfast")]);
    // Nor with the run directory of another unit: what is marked in this network namespace is the living one's.
    const elsewhere = ["cleanup", "-f", file, "--run-dir", join(folder, "elsewhere")];
    const beside = await host.exec(process.execPath, [PROGRAM, ...elsewhere], { allowFailure: true });
    expect([beside.status, beside.stderr]).toEqual([4, expect.stringContaining("in this network namespace")]);
    expect(await host.hasAddress(VIP)).toBe(true);
    await host.ip("address", "add", "10.0.2.77/32", "dev", "eth0", "valid_lft", "600", "preferred_lft", "600");
    await holder.killEverything();
    const done = await host.exec(process.execPath, [PROGRAM, ...cleanup]);
    expect(done.stdout).toBe(`removed ${VIP}/32 dev eth0\n`);
    expect(await host.hasAddress(VIP)).toBe(false);
    // Neither the host's own, nor what another program has given an end.
    expect([await host.hasAddress(A), await host.hasAddress("10.0.2.77")]).toEqual([true, true]);
    await host.ip("address", "del", "10.0.2.77/32", "dev", "eth0");
  });

  it("what run and cleanup must agree on is said once, in the environment: the file, what its @name lines mean, the run directory", async () => {
    const file = join(folder, "here.conf");
    writeFileSync(file, configuration(255, [VIP], 20).replace(`    ${VIP}/24`, `    ${VIP}/24\n@here 10.0.2.12/24`));
    const runDirectory = join(folder, "run-here");
    const env = { HOLDFAST_FILE: file, HOLDFAST_CONFIG_ID: "here", HOLDFAST_RUN_DIR: runDirectory };
    const holder = await Holdfast.start(network.host("a"), file, runDirectory, { env, bare: true });
    daemons.push(holder);
    await holder.waitForStatus("both addresses", ({ vrrp }) => vrrp.instances[0]?.addresses.length === 2);
    await holder.killEverything();
    const host = network.host("a");
    const cleanup = async (...variables: string[]): Promise<string> =>
      (await host.exec("env", [`HOLDFAST_RUN_DIR=${runDirectory}`, ...variables, process.execPath, PROGRAM, "cleanup"]))
        .stdout;
    await cleanup();
    // Without our mark, as on a kernel that does not keep it: then the configuration decides.
    await host.ip("address", "add", "10.0.2.12/32", "dev", "eth0", "valid_lft", "600", "preferred_lft", "600");
    expect(await cleanup(`HOLDFAST_FILE=${file}`)).toBe("");
    expect(await cleanup(`HOLDFAST_FILE=${file}`, "HOLDFAST_CONFIG_ID=here")).toBe("removed 10.0.2.12/32 dev eth0\n");
  });

  it("the guard killed: another one is armed at once, nobody notices, and it does its work", async () => {
    const { holder, other, sinceMs } = await pair();
    const first = (await holder.status()).guard?.processId ?? 0;
    process.kill(first, "SIGKILL");
    await holder.waitForStatus(
      "another guard",
      ({ guard, vrrp }) => guard !== undefined && guard.processId !== first && vrrp.will.armed,
    );
    expect((await other.status()).vrrp.instances[0]?.state).toBe("BACKUP");
    const killedMs = wallClockMs();
    process.kill(holder.process.pid, "SIGKILL");
    expect(await takenOverAfterMs(killedMs)).toBeLessThan(SILENCE_MS);
    expect(watch.doubleHoldMs(VIP, sinceMs)).toBe(0);
  });

  it("a reload's new address is in the will, and a polite end leaves no guard and no last words", async () => {
    const { holder } = await pair();
    writeFileSync(join(folder, "a.conf"), configuration(150, [VIP, "10.0.2.12"]));
    holder.process.signal("SIGHUP");
    await waitFor(async () => await network.host("a").hasAddress("10.0.2.12"), { what: "the new address" });
    const guard = (await holder.status()).guard?.processId ?? 0;
    process.kill(holder.process.pid, "SIGKILL");
    await untilHeldBy("b");
    expect(await network.host("a").hasAddress("10.0.2.12")).toBe(false);
    const polite = await start("a", 150);
    await polite.waitForStatus("a guard", (status) => status.guard !== undefined && status.guard.processId !== guard);
    await polite.stop();
    expect(polite.process.exit?.status).toBe(0);
    expect(polite.process.output).not.toContain("last will");
  });
});
