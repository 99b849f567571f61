import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Holdfast } from "../lab/holdfast.ts";
import { createNetwork, type Network, type NetworkHost } from "../lab/netns.ts";
import { requires } from "../lab/requires.ts";
import { waitFor } from "../lab/wait.ts";
import { Capture } from "./vrrp/capture.ts";

const VIP = "10.0.2.10";
const VIRTUAL_MAC = "00:00:5e:00:01:33";

const CONFIGURATION = `vrrp_instance PGRW {
  state BACKUP
  interface eth0
  virtual_router_id 51
  priority 150
  advert_int 1
  use_vmac
  virtual_ipaddress {
    ${VIP}/24
  }
}
`;

requires("netns")("use_vmac of a keepalived.conf", () => {
  let folder: string;
  let network: Network;
  let kad1: NetworkHost;
  let capture: Capture;
  let daemon: Holdfast | undefined;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "holdfast-vmac-"));
    writeFileSync(join(folder, "keepalived.conf"), CONFIGURATION);
    network = await createNetwork({
      prefix: "vmac",
      hosts: [
        { name: "kad1", addresses: ["10.0.2.1/24"] },
        { name: "client", addresses: ["10.0.2.9/24"] },
      ],
    });
    kad1 = network.host("kad1");
    capture = await Capture.start(network.bridge);
  });
  afterEach(async () => {
    await daemon?.stop();
    await capture?.stop();
    network?.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  const ARP_SETTINGS = ["net.ipv4.conf.eth0.arp_ignore", "net.ipv4.conf.eth0.arp_announce"];
  const arpSettings = async (): Promise<string[]> =>
    (await kad1.exec("sysctl", ["-n", ...ARP_SETTINGS])).stdout.trim().split("\n");
  /** Macvlans of somebody else: one without a word about itself, one that says something else. */
  async function addForeign(): Promise<void> {
    for (const name of ["mine0", "mine1"]) await kad1.ip("link", "add", name, "link", "eth0", "type", "macvlan");
    await kad1.ip("link", "set", "mine1", "alias", "holdfast has nothing to do with it");
  }
  const deviceNames = async (): Promise<string[]> =>
    [...(await devices()).matchAll(/^\d+: ([^@]+)@/gm)].map((found) => found[1] ?? "").sort();
  const devices = async (): Promise<string> => await kad1.ip("-details", "link", "show", "type", "macvlan");

  test("a macvlan with the virtual MAC carries the VIP, speaks VRRP and answers ARP; nothing of it is left at the end", async () => {
    const client = network.host("client");
    const before = await arpSettings();
    daemon = await Holdfast.start(kad1, join(folder, "keepalived.conf"), join(folder, "run"));
    await daemon.waitForStatus("the VIP", (status) => status.vrrp.instances[0]?.state === "MASTER");
    const shown = await devices();
    expect(shown).toContain("vrrp.51@eth0");
    expect(shown).toContain(`link/ether ${VIRTUAL_MAC}`);
    expect(shown).toContain("mode private");
    expect(await kad1.ip("address", "show", "dev", "vrrp.51")).toContain(`inet ${VIP}/`);
    expect(await kad1.ip("address", "show", "dev", "eth0")).not.toContain(VIP);
    expect(await kad1.ip("-6", "address", "show", "dev", "vrrp.51")).toBe("");

    const advert = await capture.waitForAdvert("an advert", "10.0.2.1", ({ priority }) => priority === "150");
    expect(advert).toMatchObject({ ethernetSource: VIRTUAL_MAC, vrid: "51", addresses: VIP, timeToLive: "255" });
    await waitFor(() => capture.announcements(VIP).length > 0, { what: "the announcement" });
    expect(new Set(capture.announcements(VIP).map((frame) => frame.arpHardware))).toEqual(new Set([VIRTUAL_MAC]));

    await client.exec("ping", ["-c", "1", "-W", "2", VIP]);
    expect(await client.ip("neighbor", "show", VIP)).toContain(VIRTUAL_MAC);

    expect(await arpSettings()).toEqual(["1", "2"]);
    await daemon.stop();
    expect(await devices()).toBe("");
    expect(await arpSettings()).toEqual(before);
    expect(before).toEqual(["0", "0"]);
    const last = await capture.waitForAdvert("its resignation", "10.0.2.1", ({ priority }) => priority === "0");
    expect(last.ethernetSource).toBe(VIRTUAL_MAC);
  });

  test("after kill -9 the next life knows what the settings of the base were, also when its file has no use_vmac any more", async () => {
    const start = async (file: string): Promise<Holdfast> => {
      daemon = await Holdfast.start(kad1, join(folder, file), join(folder, "run"));
      await daemon.waitForStatus("the VIP", (status) => status.vrrp.instances[0]?.state === "MASTER");
      return daemon;
    };
    writeFileSync(join(folder, "plain.conf"), CONFIGURATION.replace("  use_vmac\n", ""));
    for (const next of ["keepalived.conf", "plain.conf"]) {
      const killed = await start("keepalived.conf");
      expect(await arpSettings()).toEqual(["1", "2"]);
      killed.process.signal("SIGKILL");
      await killed.process.exited;
      expect(await arpSettings()).toEqual(["1", "2"]);
      const second = await start(next);
      expect(await arpSettings()).toEqual(next === "plain.conf" ? ["0", "0"] : ["1", "2"]);
      await second.stop();
      expect(await arpSettings()).toEqual(["0", "0"]);
    }
  });

  test("the device of an earlier life is taken over", async () => {
    await kad1.ip(
      "link",
      "add",
      "vrrp.51",
      "link",
      "eth0",
      "address",
      VIRTUAL_MAC,
      "type",
      "macvlan",
      "mode",
      "private",
    );
    const before = (await kad1.ip("-o", "link", "show", "vrrp.51")).split(":")[0];
    daemon = await Holdfast.start(kad1, join(folder, "keepalived.conf"), join(folder, "run"));
    await daemon.waitForStatus("the VIP", (status) => status.vrrp.instances[0]?.state === "MASTER");
    expect((await kad1.ip("-o", "link", "show", "vrrp.51")).split(":")[0]).toBe(before);
    expect(await kad1.ip("address", "show", "dev", "vrrp.51")).toContain(`inet ${VIP}/`);
    // From now on it is ours, also when it is left behind once more.
    expect(await devices()).toContain("alias holdfast:VRRP:PGRW");
  });

  test("left by kill -9, it is removed by the next life whose file has no use_vmac; those of others stay", async () => {
    await addForeign();
    writeFileSync(join(folder, "plain.conf"), CONFIGURATION.replace("  use_vmac\n", ""));
    const start = async (file: string): Promise<Holdfast> => {
      daemon = await Holdfast.start(kad1, join(folder, file), join(folder, "run"));
      await daemon.waitForStatus("the VIP", (status) => status.vrrp.instances[0]?.state === "MASTER");
      return daemon;
    };
    const first = await start("keepalived.conf");
    expect(await kad1.ip("link", "show", "vrrp.51")).toContain("alias holdfast:VRRP:PGRW");
    await first.killEverything();
    expect(await deviceNames()).toEqual(["mine0", "mine1", "vrrp.51"]);
    const second = await start("plain.conf");
    expect(await deviceNames()).toEqual(["mine0", "mine1"]);
    expect(second.log().filter(({ devices: removed }) => removed !== undefined)).toMatchObject([
      { devices: ["vrrp.51"], msg: "removed what an earlier life left behind" },
    ]);
  });

  test("left by kill -9, it is removed by `holdfast cleanup`, and its base has its settings back; devices of others stay", async () => {
    await addForeign();
    const file = join(folder, "keepalived.conf");
    const killed = await Holdfast.start(kad1, file, join(folder, "run"));
    daemon = killed;
    await killed.waitForStatus("the VIP", (status) => status.vrrp.instances[0]?.state === "MASTER");
    await killed.killEverything();
    const cleanup = ["cleanup", "-f", file, "--run-dir", killed.runDirectory];
    expect(await arpSettings()).toEqual(["1", "2"]);
    const { stdout } = await killed.command(...cleanup);
    expect(stdout).toContain("removed device vrrp.51\n");
    expect(stdout).toContain("set ipv4/conf/eth0/arp_ignore back to 0\n");
    expect(await deviceNames()).toEqual(["mine0", "mine1"]);
    expect(await arpSettings()).toEqual(["0", "0"]);
    expect((await killed.command(...cleanup)).stdout).toBe("");
  });

  test("deleted by others, it is there again with the VIP", async () => {
    daemon = await Holdfast.start(kad1, join(folder, "keepalived.conf"), join(folder, "run"));
    const { waitForStatus } = daemon;
    await waitForStatus.call(daemon, "the VIP", (status) => status.vrrp.instances[0]?.state === "MASTER");
    await kad1.ip("link", "delete", "vrrp.51");
    await waitFor(async () => (await kad1.addresses("vrrp.51")).some(({ address }) => address === VIP), {
      what: "the VIP on a new device",
      timeoutMs: 20_000,
      found: () => daemon?.process.output,
    });
  });
});
