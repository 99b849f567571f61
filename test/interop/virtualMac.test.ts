import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { wallClockMs } from "../lab/addressWatch.ts";
import type { NetworkHost } from "../lab/netns.ts";
import { requires } from "../lab/requires.ts";
import { waitFor } from "../lab/wait.ts";
import { withEitherProgram } from "./eitherProgram.ts";
import { Lan } from "./lan.ts";
import type { Program } from "./programs.ts";
import { type InstanceText, instanceText } from "./routerFile.ts";

const VRID = 42;

interface Case {
  readonly title: string;
  readonly lines: readonly string[];
  readonly addresses: readonly string[];
  readonly vip: string;
  /** Addresses that the hosts send from. */
  readonly sources: readonly [string, string];
  /** RFC 9568 7.3: 00-00-5E-00-01-VRID for IPv4, 00-00-5E-00-02-VRID for IPv6. */
  readonly mac: string;
  readonly device: string;
  readonly sentFrom: "virtual MAC" | "base";
}

const V4 = { addresses: ["10.0.2.10/24"], vip: "10.0.2.10", sources: ["10.0.2.1", "10.0.2.2"] } as const;
const V6 = {
  addresses: ["fe80::a/64", "2001:db8::a/64"],
  vip: "2001:db8::a",
  sources: ["fe80::11", "fe80::12"],
} as const;

const CASES: readonly Case[] = [
  {
    title: "IPv4",
    lines: ["use_vmac"],
    ...V4,
    mac: "00:00:5e:00:01:2a",
    device: "vrrp.42",
    sentFrom: "virtual MAC",
  },
  {
    title: "IPv4 with a name and vmac_xmit_base",
    lines: ["use_vmac vip0", "vmac_xmit_base"],
    ...V4,
    mac: "00:00:5e:00:01:2a",
    device: "vip0",
    sentFrom: "base",
  },
  {
    title: "IPv4 with an address of one's own",
    lines: ["use_vmac vip1 02:11:22:33:44:55"],
    ...V4,
    mac: "02:11:22:33:44:55",
    device: "vip1",
    sentFrom: "virtual MAC",
  },
  {
    title: "IPv6 with vmac_xmit_base",
    lines: ["use_vmac vip6", "vmac_xmit_base"],
    ...V6,
    mac: "00:00:5e:00:02:2a",
    device: "vip6",
    sentFrom: "base",
  },
];

requires(
  "netns",
  "keepalived",
  "tshark",
)("use_vmac, between two programs", () => {
  let lan: Lan;
  let client: NetworkHost;

  beforeAll(async () => {
    lan = await Lan.open({
      prefix: "vmac",
      hosts: [
        { name: "high", addresses: ["10.0.2.1/24", "fe80::11/64", "2001:db8::11/64"] },
        { name: "low", addresses: ["10.0.2.2/24", "fe80::12/64", "2001:db8::12/64"] },
        { name: "client", addresses: ["10.0.2.50/24", "2001:db8::50/64"] },
      ],
    });
    client = lan.host("client");
  });
  afterEach(async () => {
    await lan?.clear();
  });
  afterAll(async () => {
    await lan?.close();
  });

  /** The hardware address that the client has for the VIP after it has asked for it. */
  async function resolved(vip: string): Promise<string | undefined> {
    await client.ip("neighbor", "flush", "all");
    await client.exec("ping", ["-c1", "-W2", vip], { allowFailure: true });
    const shown = JSON.parse(await client.ip("-json", "neighbor", "show", vip)) as readonly { lladdr?: string }[];
    return shown[0]?.lladdr;
  }

  for (const { title, lines, addresses, vip, sources, mac, device, sentFrom } of CASES) {
    withEitherProgram(`${title}: one address on the wire, whoever is MASTER`, async (high, low) => {
      const at = (priority: number): InstanceText => ({
        priority,
        lines,
        addresses,
        version: 3,
        interval: 0.1,
        virtualRouterId: VRID,
      });
      const judgeMaster = async (program: Program, host: NetworkHost, source: string): Promise<void> => {
        const sinceMs = wallClockMs();
        const adverts = await lan.untilAdverts(source, 3, sinceMs);
        const expected = sentFrom === "base" ? await host.hardwareAddress() : mac;
        for (const advert of adverts.filter(({ priority }) => priority !== "0")) {
          expect(advert.ethernetSource).toBe(expected);
        }
        expect(await host.hasAddress(vip, device)).toBe(true);
        expect(await host.hasAddress(vip)).toBe(false);
        expect(await host.hardwareAddress(device)).toBe(mac);
        // When keepalived's host asks for the client's own address, it does so in the VIP's name from its base interface,
        // and the client then has that interface's hardware address for the VIP; so the second meeting counts there.
        const met = await resolved(vip);
        expect(program === "holdfast" ? met : await resolved(vip)).toBe(mac);
      };
      const startedMs = wallClockMs();
      const first = await lan.start(high, "high", instanceText(at(150)));
      await lan.untilState(first, "MASTER");
      const second = await lan.start(low, "low", instanceText(at(100)));
      await lan.untilState(second, "BACKUP");
      await judgeMaster(high, lan.host("high"), sources[0]);
      const announced = lan.capture.announcements(vip, startedMs);
      expect(announced.length).toBeGreaterThanOrEqual(5);
      for (const frame of announced) {
        expect(frame.ethernetSource).toBe(mac);
        expect(frame.arpHardware || frame.neighborHardware).toBe(mac);
      }
      await first.stop();
      await lan.untilHeldBy(vip, "low");
      await judgeMaster(low, lan.host("low"), sources[1]);
      expect(second.states()).toEqual(["BACKUP", "MASTER"]);
      // Nothing of ours stays behind.
      const links = await lan.host("high").ip("-brief", "link", "show");
      expect(links).not.toContain(device);
      await second.stop();
      await waitFor(async () => !(await lan.host("low").ip("-brief", "link", "show")).includes(device), {
        what: `${device} removed`,
      });
    });
  }
});
