import { afterEach, beforeEach, expect, it } from "vitest";
import { AddressWatch, wallClockMs } from "../lab/addressWatch.ts";
import { createNetwork, type Network, type NetworkHost } from "../lab/netns.ts";
import { requires } from "../lab/requires.ts";
import { instanceConfig as instance, vipConfig as vip } from "../lab/vrrpConfig.ts";
import { waitFor } from "../lab/wait.ts";
import { Capture } from "./vrrp/capture.ts";
import { KeepalivedRouter, VrrpHost } from "./vrrp/routers.ts";

const VIP = "10.0.2.10";
/** What a busy machine of two cores adds, mostly to the times that `ip monitor` and tshark print. The bench has the exact figures. */
/** How late `ip monitor` may print what the kernel did, seen against the capture's kernel timestamps. */
const OBSERVER_SKEW_MS = 200;
const SLACK_MS = 400;
/** RFC 3768 6.1 at 1 s adverts. */
const skewMs = (priority: number): number => ((256 - priority) / 256) * 1000;
const masterDownMs = (priority: number): number => 3000 + skewMs(priority);

requires(
  "netns",
  "keepalived",
  "tshark",
)("holdfast and keepalived in one virtual router", () => {
  let network: Network;
  let ours: NetworkHost;
  let theirs: NetworkHost;
  let watch: AddressWatch;
  let capture: Capture;

  beforeEach(async () => {
    network = await createNetwork({
      prefix: "vrrp",
      hosts: [
        { name: "ours", addresses: ["10.0.2.1/24"] },
        { name: "theirs", addresses: ["10.0.2.2/24"] },
      ],
    });
    ours = network.host("ours");
    theirs = network.host("theirs");
    watch = await AddressWatch.start(network.hosts);
    capture = await Capture.start(network.bridge);
  });

  afterEach(async () => {
    await watch?.stop();
    await capture?.stop();
    network?.remove();
  });

  const held = async (host: NetworkHost, present: boolean, sinceMs: number) =>
    await waitFor(() => watch.first(host.host, VIP, present, sinceMs), {
      what: `${VIP} ${present ? "at" : "gone from"} ${host.host}`,
      timeoutMs: 10_000,
      found: () => watch.events(),
    });

  it("as MASTER: adverts that another implementation finds right, gratuitous ARP, the VIP as a lease of /32", async () => {
    const host = await VrrpHost.start(ours, [
      instance({ priority: 150, virtualAddresses: [vip("10.0.2.10/24", { label: "eth0:1" }), vip("10.0.9.10/24")] }),
    ]);
    await host.waitForState("MASTER");
    const peer = await KeepalivedRouter.start(theirs, 100, {
      virtualAddresses: ["10.0.2.10/24 dev eth0", "10.0.9.10/24 dev eth0"],
    });
    await waitFor(() => capture.adverts("10.0.2.1").length >= 3, { what: "three adverts" });
    for (const advert of capture.adverts("10.0.2.1")) {
      expect(advert).toMatchObject({
        destination: "224.0.0.18",
        timeToLive: "255",
        typeOfService: "0xc0",
        version: "2",
        vrid: "1",
        priority: "150",
        interval: "1",
        count: "2",
        addresses: "10.0.2.10,10.0.9.10",
        malformed: "",
      });
      expect(["Good", "1"]).toContain(advert.checksum);
      expect(["Good", "1"]).toContain(advert.ipChecksum);
    }
    const announcements = capture.announcements(VIP);
    expect(announcements.length).toBeGreaterThanOrEqual(5);
    expect(announcements[0]).toMatchObject({
      arpOperation: "1",
      ethernetDestination: "ff:ff:ff:ff:ff:ff",
      arpHardware: await ours.hardwareAddress(),
    });
    const shown = await ours.addresses();
    const lease = shown.find(({ address }) => address === VIP);
    expect(lease).toMatchObject({ prefixLength: 32, label: "eth0:1", preferredLifetimeSec: 0, secondary: false });
    expect(lease?.validLifetimeSec).toBeLessThanOrEqual(2);
    expect(shown.find(({ address }) => address === "10.0.9.10")).toMatchObject({ prefixLength: 24 });
    await peer.waitForState("BACKUP");
    expect(peer.process.output).not.toMatch(/Entering MASTER|invalid|bogus|checksum|mismatch/i);
    expect((await host.status()).discarded).toEqual({});
  });

  it("as MASTER told to stop: addresses first, and keepalived takes over in its skew time", async () => {
    const host = await VrrpHost.start(ours, [instance({ priority: 150 })]);
    await host.waitForState("MASTER");
    const peer = await KeepalivedRouter.start(theirs, 100);
    await peer.waitForState("BACKUP");
    const beginMs = wallClockMs();
    await host.process.stop();
    const gone = await held(ours, false, beginMs);
    const taken = await held(theirs, true, beginMs);
    const resigned = await capture.waitForAdvert(
      "the priority-0 advert",
      "10.0.2.1",
      ({ priority }) => priority === "0",
    );
    // Two observers, two clocks read in user space: the exact order is the state machine's invariant (unit, scenario).
    expect(gone.atMs - resigned.atMs).toBeLessThan(OBSERVER_SKEW_MS);
    expect(taken.atMs - resigned.atMs).toBeGreaterThan(skewMs(100) - 5);
    expect(taken.atMs - resigned.atMs).toBeLessThan(skewMs(100) + SLACK_MS);
    expect(watch.doubleHoldMs(VIP)).toBe(0);
    expect(host.transitions().at(-1)).toBe("INIT stopped");
    expect((await ours.addresses()).map(({ address }) => address)).toContain("10.0.2.1");
  });

  it("as BACKUP: takes over in its skew time when keepalived resigns, and yields to its return", async () => {
    const peer = await KeepalivedRouter.start(theirs, 150);
    await peer.waitForState("MASTER");
    const host = await VrrpHost.start(ours, [instance({ priority: 100 })]);
    await host.waitForState("BACKUP");
    await waitFor(async () => (await host.status()).instances[0]?.advertsReceived, { what: "an advert" });
    let beginMs = wallClockMs();
    await peer.stop();
    const taken = await held(ours, true, beginMs);
    const resigned = await capture.waitForAdvert(
      "the priority-0 advert",
      "10.0.2.2",
      ({ priority }) => priority === "0",
    );
    expect(host.transitions()).toEqual(["BACKUP started", "MASTER masterResigned"]);
    expect(taken.atMs - resigned.atMs).toBeGreaterThan(skewMs(100) - 5);
    expect(taken.atMs - resigned.atMs).toBeLessThan(skewMs(100) + SLACK_MS);
    expect(watch.doubleHoldMs(VIP)).toBe(0);

    // keepalived comes back and preempts: its first advert, then its address; ours goes when we hear it.
    beginMs = wallClockMs();
    const returned = await KeepalivedRouter.start(theirs, 150);
    await returned.waitForState("MASTER");
    await host.waitForState("BACKUP");
    await held(ours, false, beginMs);
    expect(host.transitions().at(-1)).toBe("BACKUP higherPriorityHeard");
    expect(watch.doubleHoldMs(VIP)).toBeLessThan(SLACK_MS);
    expect(await ours.hasAddress(VIP)).toBe(false);
  });

  it("as BACKUP: takes over a master-down interval after keepalived's last advert when that is killed", async () => {
    const peer = await KeepalivedRouter.start(theirs, 150);
    await peer.waitForState("MASTER");
    const host = await VrrpHost.start(ours, [instance({ priority: 100 })]);
    await waitFor(() => capture.adverts("10.0.2.2").length >= 3, { what: "adverts of keepalived" });
    peer.process.kill();
    const first = await capture.waitForAdvert("our first advert", "10.0.2.1");
    const last = capture.adverts("10.0.2.2").at(-1);
    const tookMs = first.atMs - (last?.atMs ?? 0);
    process.stderr.write(
      `takeover ${tookMs.toFixed(1)} ms after the last advert, theory ${masterDownMs(100).toFixed(1)}\n`,
    );
    expect(tookMs).toBeGreaterThan(masterDownMs(100) - 2);
    expect(tookMs).toBeLessThan(masterDownMs(100) + SLACK_MS);
    expect(host.transitions()).toEqual(["BACKUP started", "MASTER masterDown"]);
  });

  it("preempts a keepalived of lower priority, which yields at once; with nopreempt it does not", async () => {
    const peer = await KeepalivedRouter.start(theirs, 100);
    await peer.waitForState("MASTER");
    const patient = await VrrpHost.start(ours, [instance({ priority: 150, nopreempt: true })]);
    await waitFor(async () => ((await patient.status()).instances[0]?.advertsReceived ?? 0) >= 5, {
      what: "five adverts",
    });
    expect(patient.transitions()).toEqual(["BACKUP started"]);
    await patient.process.stop();
    const beginMs = wallClockMs();
    const host = await VrrpHost.start(ours, [instance({ priority: 150 })]);
    await host.waitForState("MASTER");
    await held(theirs, false, beginMs);
    expect(host.transitions()).toEqual(["BACKUP started", "MASTER lowerPriorityHeard"]);
    await peer.waitForState("BACKUP");
    expect(watch.doubleHoldMs(VIP)).toBeLessThan(SLACK_MS);
    expect(watch.holders(VIP)).toEqual(["ours"]);
  });

  it("killed with -9 as MASTER: its VIPs lapse before keepalived takes them, and take nothing along", async () => {
    const host = await VrrpHost.start(ours, [
      instance({ priority: 150, virtualAddresses: [vip("10.0.2.10/24"), vip("10.0.2.11/24")] }),
    ]);
    await host.waitForState("MASTER");
    const peer = await KeepalivedRouter.start(theirs, 100, {
      virtualAddresses: ["10.0.2.10/24 dev eth0", "10.0.2.11/24 dev eth0"],
    });
    await peer.waitForState("BACKUP");
    await ours.ip("address", "add", "10.0.2.77/24", "dev", "eth0");
    await waitFor(() => capture.adverts("10.0.2.1").length >= 3, { what: "three adverts" });
    const beginMs = wallClockMs();
    host.process.kill();
    const gone = await held(ours, false, beginMs);
    const taken = await held(theirs, true, beginMs);
    const last = capture.adverts("10.0.2.1").at(-1)?.atMs ?? 0;
    process.stderr.write(
      `after the last advert: gone ${(gone.atMs - last).toFixed(0)} ms, taken ${(taken.atMs - last).toFixed(0)} ms\n`,
    );
    expect(watch.doubleHoldMs(VIP)).toBe(0);
    expect(watch.doubleHoldMs("10.0.2.11")).toBe(0);
    expect(gone.atMs).toBeLessThan(taken.atMs);
    expect((await ours.addresses()).filter(({ family }) => family === "inet").map(({ address }) => address)).toEqual([
      "10.0.2.1",
      "10.0.2.77",
    ]);
  });

  it("stopped for 6 s and continued: nothing is advertised or put back before it has listened", async () => {
    const host = await VrrpHost.start(ours, [instance({ priority: 150 })]);
    await host.waitForState("MASTER");
    const peer = await KeepalivedRouter.start(theirs, 100);
    await peer.waitForState("BACKUP");
    const beginMs = wallClockMs();
    host.process.signal("SIGSTOP");
    await held(theirs, true, beginMs);
    await waitFor(() => wallClockMs() - beginMs > 6000, { what: "6 s of pause" });
    const before = capture.adverts("10.0.2.1").length;
    const continuedMs = wallClockMs();
    host.process.signal("SIGCONT");
    await host.waitForState("BACKUP");
    expect(host.transitions().at(-1)).toBe("BACKUP pausedTooLong");
    await host.waitForState("MASTER");
    const next = await waitFor(() => capture.adverts("10.0.2.1")[before], { what: "the next advert" });
    expect(next.atMs).toBeGreaterThan(continuedMs + masterDownMs(150) - 5);
    const again = await held(ours, true, continuedMs);
    expect(again.atMs).toBeGreaterThan(continuedMs + masterDownMs(150) - 5);
    expect(watch.doubleHoldMs(VIP)).toBeLessThan(SLACK_MS);
  });

  it("two hosts that were apart: the higher priority tells the other at once, and announces again", async () => {
    const host = await VrrpHost.start(ours, [instance({ priority: 150 })]);
    await host.waitForState("MASTER");
    const peer = await KeepalivedRouter.start(theirs, 100);
    await ours.isolate();
    await peer.waitForState("MASTER");
    await ours.rejoin();
    await peer.waitForState("BACKUP");
    expect(host.transitions()).toEqual(["BACKUP started", "MASTER masterDown"]);
    expect(await ours.hasAddress(VIP)).toBe(true);
    await waitFor(async () => !(await theirs.hasAddress(VIP)), { what: "the VIP gone from keepalived" });
  });
});
