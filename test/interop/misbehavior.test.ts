import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { wallClockMs } from "../lab/addressWatch.ts";
import type { NetworkHost } from "../lab/netns.ts";
import { processTree } from "../lab/processTree.ts";
import { requires } from "../lab/requires.ts";
import { waitFor } from "../lab/wait.ts";
import { Lan } from "./lan.ts";
import type { HoldfastRouter } from "./programs.ts";
import { type InstanceText, instanceText, masterDownMs, quickInstance } from "./routerFile.ts";

const VIP = "10.0.2.10";
const OURS = "10.0.2.1";
const THEIRS = "10.0.2.2";

const at = (priority: number, ...lines: string[]): InstanceText => quickInstance(priority, VIP, lines);

requires(
  "netns",
  "keepalived",
  "tshark",
  "arping",
)("a holdfast router among others that do not behave", () => {
  let lan: Lan;
  let ours: NetworkHost;
  let client: NetworkHost;

  beforeAll(async () => {
    lan = await Lan.open({
      prefix: "outside",
      hosts: [
        { name: "ours", addresses: [`${OURS}/24`, "fe80::11/64"] },
        { name: "theirs", addresses: [`${THEIRS}/24`, "fe80::12/64"] },
        { name: "client", addresses: ["10.0.2.50/24"] },
      ],
    });
    ours = lan.host("ours");
    client = lan.host("client");
  });
  afterEach(async () => {
    await lan?.clear();
  });
  afterAll(async () => {
    await lan?.close();
  });

  async function master(...lines: string[]): Promise<HoldfastRouter> {
    const router = await lan.start("holdfast", "ours", instanceText(at(150, ...lines)));
    await lan.untilState(router, "MASTER");
    await lan.untilHeldBy(VIP, "ours");
    return router;
  }

  /** Waits until a host sends its next advert, which only it may hear. */
  async function nextAdvertOf(host: NetworkHost): Promise<void> {
    const watched = await host.start("tcpdump", ["-i", "eth0", "-n", "-l", "-Q", "out", "-c", "1", "ip proto 112"]);
    await watched.exited;
  }

  async function neighbor(): Promise<string | undefined> {
    const shown = JSON.parse(await client.ip("-json", "neighbor", "show", VIP)) as readonly { lladdr?: string }[];
    return shown[0]?.lladdr;
  }

  it("a VIP removed by hand is put back and announced; the alarm says which", async () => {
    const router = await master();
    const removedMs = wallClockMs();
    await ours.ip("address", "delete", `${VIP}/32`, "dev", "eth0");
    await waitFor(() => lan.watch.first("ours", VIP, false, removedMs), { what: "the removal" });
    await lan.untilHeldBy(VIP, "ours");
    await waitFor(() => lan.capture.announcements(VIP, removedMs).length >= 5, { what: "announcements" });
    expect(router.alarms("addressRemovedByOthers")[0]).toMatchObject({ address: VIP, device: "eth0" });
    expect(router.states()).toEqual(["BACKUP", "MASTER"]);
  });

  it("a VIP taken away again and again: it yields, and keepalived has it", async () => {
    const router = await master();
    const peer = await lan.start("keepalived", "theirs", instanceText(at(100)));
    await lan.untilState(peer, "BACKUP");
    await waitFor(
      async () => {
        if (await ours.hasAddress(VIP)) {
          await ours.ip("address", "flush", "dev", "eth0", "to", `${VIP}/32`);
        }
        return router.reasons().at(-1) === "FAULT addressesTakenByOthers";
      },
      { what: "it to yield", timeoutMs: 30_000, found: () => router.process.output },
    );
    await lan.untilState(peer, "MASTER");
    await lan.untilHeldBy(VIP, "theirs");
  });

  it("somebody else's ARP answer for a VIP is an alarm with the hardware address", async () => {
    const router = await master();
    await client.ip("address", "add", `${VIP}/32`, "dev", "eth0");
    try {
      await client.exec("arping", ["-A", "-c", "2", "-I", "eth0", VIP], { allowFailure: true });
      await waitFor(() => router.alarms("foreignArpAnswer").length > 0, {
        what: "the alarm",
        found: () => router.process.output,
      });
      expect(router.alarms("foreignArpAnswer")[0]).toMatchObject({
        address: VIP,
        hardwareAddress: await client.hardwareAddress(),
      });
      expect(router.states()).toEqual(["BACKUP", "MASTER"]);
    } finally {
      await client.ip("address", "delete", `${VIP}/32`, "dev", "eth0");
    }
  });

  it("the same IPv6 VIPs under another VRID at keepalived: alarms with its hardware address", async () => {
    const addresses = ["fe80::a/64", "2001:db8::a/64"];
    const router = await lan.start("holdfast", "ours", instanceText({ ...at(150), addresses }));
    await lan.untilState(router, "MASTER");
    const peer = await lan.start("keepalived", "theirs", instanceText({ ...at(100), addresses, virtualRouterId: 2 }));
    await lan.untilState(peer, "MASTER");
    const alarms = () => router.alarms("foreignNeighborAdvertisement");
    await waitFor(() => alarms().length === 2, { what: "both alarms", found: () => router.process.output });
    const hardwareAddress = await lan.host("theirs").hardwareAddress();
    expect(alarms()).toEqual([
      expect.objectContaining({ address: "fe80::a", hardwareAddress }),
      expect.objectContaining({ address: "2001:db8::a", hardwareAddress }),
    ]);
    expect(router.states()).toEqual(["BACKUP", "MASTER"]);
  });

  for (const [loserProgram, speaksFirst] of [
    ["keepalived", "loser"],
    ["holdfast", "loser"],
  ] as const) {
    it(`a split ends, ${loserProgram} being the loser, and the ${speaksFirst} speaks first: its clients come back`, async () => {
      const slow = (priority: number): string => instanceText({ ...at(priority), interval: 0.6 });
      const router = await lan.start("holdfast", "ours", slow(150));
      await lan.untilState(router, "MASTER");
      const peer = await lan.start(loserProgram, "theirs", slow(100));
      await lan.untilState(peer, "BACKUP");
      const winner = await ours.hardwareAddress();
      const loser = await lan.host("theirs").hardwareAddress();
      await ours.isolate();
      await lan.untilState(peer, "MASTER");
      await waitFor(
        async () => {
          await client.exec("ping", ["-c1", "-W1", VIP], { allowFailure: true });
          return (await neighbor()) === loser;
        },
        { what: "the client at the loser", found: neighbor },
      );
      // Right behind an advert of the one, the other's is next.
      await nextAdvertOf(speaksFirst === "loser" ? ours : lan.host("theirs"));
      await ours.rejoin();
      // The client asks nobody: an announcement brings it back.
      await waitFor(async () => (await neighbor()) === winner, {
        what: "the client back at the winner",
        timeoutMs: 5_000,
        found: () => lan.capture.frames().slice(-12),
      });
      await lan.untilHeldBy(VIP, "ours");
      await lan.untilState(peer, "BACKUP");
      expect(router.states()).toEqual(["BACKUP", "MASTER"]);
    });
  }

  it("heard by nobody but hearing: two MASTERs while it lasts, one when it is over", async () => {
    const router = await master();
    const peer = await lan.start("keepalived", "theirs", instanceText(at(100)));
    await lan.untilState(peer, "BACKUP");
    // The switch no longer floods to the peer: it hears nothing, and is heard.
    const port = ["link", "set", "p1", "type", "bridge_slave"] as const;
    await lan.network.bridge.ip(...port, "flood", "off", "mcast_flood", "off", "bcast_flood", "off");
    await lan.untilState(peer, "MASTER");
    await lan.untilAdverts(THEIRS, 3, wallClockMs());
    expect(router.states()).toEqual(["BACKUP", "MASTER"]);
    await lan.network.bridge.ip(...port, "flood", "on", "mcast_flood", "on", "bcast_flood", "on");
    await lan.untilState(peer, "BACKUP");
    await lan.untilHeldBy(VIP, "ours");
  });

  it("its interface renamed, made anew, and with another hardware address: no restart", async () => {
    const router = await master();
    await ours.ipBatch(["link set eth0 down", "link set eth0 name old0", "link set old0 up"]);
    await lan.untilState(router, "FAULT");
    await waitFor(async () => !(await ours.hasAddress(VIP, "old0")), { what: "the VIP gone from old0" });
    await ours.ipBatch(["link set old0 down", "link set old0 name eth0", "link set eth0 up"]);
    await lan.untilState(router, "MASTER");
    await lan.untilHeldBy(VIP, "ours");

    // Deleting one end of a veth pair deletes both.
    await ours.ip("link", "delete", "eth0");
    await lan.untilState(router, "FAULT");
    await lan.network.bridge.ipBatch([
      `link add p0 type veth peer name eth0 netns ${ours.name}`,
      "link set p0 master br0 up",
    ]);
    await ours.ipBatch(["link set eth0 up", `address add ${OURS}/24 dev eth0`]);
    let sinceMs = wallClockMs();
    await lan.untilState(router, "MASTER");
    await lan.untilHeldBy(VIP, "ours");
    await lan.untilAdverts(OURS, 3, sinceMs);
    await waitFor(() => lan.capture.announcements(VIP, sinceMs).length > 0, { what: "an announcement" });

    sinceMs = wallClockMs();
    await ours.ip("link", "set", "eth0", "address", "02:00:00:00:00:77");
    await waitFor(
      () => lan.capture.announcements(VIP, sinceMs).some(({ arpHardware }) => arpHardware === "02:00:00:00:00:77"),
      { what: "an announcement of the new hardware address", found: () => router.process.output },
    );
    const adverts = await lan.untilAdverts(OURS, 5, wallClockMs());
    expect(adverts.at(-1)?.ethernetSource).toBe("02:00:00:00:00:77");
  });

  it("standing still as a whole for longer than the master-down interval: nothing is said before it has listened", async () => {
    const router = await master();
    const peer = await lan.start("keepalived", "theirs", instanceText(at(100)));
    await lan.untilState(peer, "BACKUP");
    const stoppedMs = wallClockMs();
    // The guard too, as in a suspend: alone it would end the daemon.
    const tree = processTree(router.process.pid);
    for (const pid of [...tree].reverse()) process.kill(pid, "SIGSTOP");
    await lan.untilState(peer, "MASTER");
    await lan.untilAdverts(THEIRS, 20, stoppedMs);
    const continuedMs = wallClockMs();
    for (const pid of tree) process.kill(pid, "SIGCONT");
    const next = await lan.capture.waitForAdvert("its next advert", OURS, () => true, continuedMs);
    expect(next.atMs - continuedMs).toBeGreaterThan(masterDownMs(at(150)));
    await lan.untilState(peer, "BACKUP");
    await lan.untilHeldBy(VIP, "ours");
  });
});
