import type { Namespace } from "../../lab/netns.ts";
import type { RunningProcess } from "../../lab/processes.ts";
import { waitFor } from "../../lab/wait.ts";

/** What tshark, which is another implementation of the protocols, makes of a frame. */
const FIELDS = {
  time: "frame.time_epoch",
  source4: "ip.src",
  destination4: "ip.dst",
  timeToLive4: "ip.ttl",
  typeOfService: "ip.dsfield",
  ipChecksum: "ip.checksum.status",
  source6: "ipv6.src",
  destination6: "ipv6.dst",
  hopLimit: "ipv6.hlim",
  version: "vrrp.version",
  vrid: "vrrp.virt_rtr_id",
  priority: "vrrp.prio",
  interval: "vrrp.adver_int",
  intervalCs: "vrrp.short_adver_int",
  authType: "vrrp.auth_type",
  authPassword: "vrrp.auth_string",
  count: "vrrp.addr_count",
  addresses4: "vrrp.ip_addr",
  addresses6: "vrrp.ipv6_addr",
  checksum: "vrrp.checksum.status",
  malformed: "_ws.malformed",
  vrrpType: "vrrp.type",
  arpOperation: "arp.opcode",
  arpSender: "arp.src.proto_ipv4",
  arpTarget: "arp.dst.proto_ipv4",
  arpHardware: "arp.src.hw_mac",
  neighborTarget: "icmpv6.nd.na.target_address",
  neighborOverride: "icmpv6.nd.na.flag.o",
  neighborSolicited: "icmpv6.nd.na.flag.s",
  neighborRouter: "icmpv6.nd.na.flag.r",
  neighborHardware: "icmpv6.opt.linkaddr",
  ethernetSource: "eth.src",
  ethernetDestination: "eth.dst",
  udpPort: "udp.dstport",
} as const;

/** discard(9): of the datagram that `Capture.catchUp` sends. */
const MARK_PORT = 9;

type Field = keyof typeof FIELDS;

/** The fields as tshark prints them, those of both families under one name, and the time in milliseconds since the epoch. */
export interface Frame extends Readonly<Record<Field, string>> {
  readonly atMs: number;
  readonly source: string;
  readonly destination: string;
  /** TTL or hop limit. */
  readonly timeToLive: string;
  readonly addresses: string;
}

/** Adverts, ARP and neighbour advertisements on a bridge, as tshark dissects them. */
export class Capture {
  readonly #process: RunningProcess;
  readonly #bridge: Namespace;
  readonly #frames: Frame[] = [];
  #parsedTo = 0;

  private constructor(running: RunningProcess, bridge: Namespace) {
    this.#process = running;
    this.#bridge = bridge;
  }

  static async start(bridge: Namespace): Promise<Capture> {
    const fields = Object.values(FIELDS).flatMap((field) => ["-e", field]);
    // 136 is the ICMPv6 type of a neighbour advertisement (RFC 4861 4.4), behind 40 bytes of IPv6 header.
    const filter = [
      "-f",
      `ip proto 112 or ip6 proto 112 or arp or (icmp6 and ip6[40] == 136) or udp port ${MARK_PORT}`,
    ];
    const args = [
      "-l",
      "-n",
      "-i",
      "br0",
      ...filter,
      "-o",
      "ip.check_checksum:TRUE",
      "-T",
      "fields",
      "-E",
      "separator=|",
    ];
    const running = await bridge.start("tshark", [...args, ...fields]);
    await running.waitForOutput(/Capturing on/, 30_000);
    return new Capture(running, bridge);
  }

  frames(): readonly Frame[] {
    const text = this.#process.stdout;
    const end = text.lastIndexOf("\n") + 1;
    for (const line of text.slice(this.#parsedTo, end).split("\n")) {
      if (line.includes("|")) this.#frames.push(frameOf(line));
    }
    this.#parsedTo = end;
    return this.#frames;
  }

  /** Waits until everything that has passed so far is among the frames: tshark prints it some time later. */
  async catchUp(): Promise<void> {
    const before = this.frames().length;
    await this.#bridge.exec("bash", ["-c", `echo > /dev/udp/ff02::1%br0/${MARK_PORT}`]);
    await waitFor(
      () =>
        this.frames()
          .slice(before)
          .some(({ udpPort }) => udpPort === String(MARK_PORT)),
      { what: "the capture to catch up", timeoutMs: 20_000 },
    );
  }

  /** Adverts from an address, or from any; from `sinceMs` (wall clock) on. */
  adverts(source?: string, sinceMs = 0): Frame[] {
    return this.frames().filter(
      (frame) => frame.priority !== "" && (source === undefined || frame.source === source) && frame.atMs >= sinceMs,
    );
  }

  /** Gratuitous ARP, or unsolicited neighbour advertisements, for an address. */
  announcements(address: string, sinceMs = 0): Frame[] {
    return this.frames().filter(
      (frame) =>
        frame.atMs >= sinceMs &&
        ((frame.arpSender === address && frame.arpTarget === address) ||
          (frame.neighborTarget === address && frame.neighborSolicited !== "1" && frame.neighborSolicited !== "True")),
    );
  }

  async waitForAdvert(
    what: string,
    source: string,
    condition: (frame: Frame) => boolean = () => true,
    sinceMs = 0,
  ): Promise<Frame> {
    return await waitFor(() => this.adverts(source, sinceMs).find(condition), {
      what,
      timeoutMs: 15_000,
      found: () => this.adverts(undefined, sinceMs).slice(-10),
    });
  }

  async stop(): Promise<void> {
    await this.#process.stop();
  }
}

function frameOf(line: string): Frame {
  const values = line.split("|");
  const record = Object.fromEntries(Object.keys(FIELDS).map((key, index) => [key, values[index] ?? ""]));
  const shown = record as Record<Field, string>;
  return {
    ...shown,
    atMs: Number(shown.time) * 1000,
    source: shown.source4 || shown.source6,
    destination: shown.destination4 || shown.destination6,
    timeToLive: shown.timeToLive4 || shown.hopLimit,
    addresses: shown.addresses4 || shown.addresses6,
  };
}

const isGood = (status: string): boolean => status === "Good" || status === "1";

/** What is wrong with an advert by tshark's judgement: empty when nothing is. `timeToLive`: what its sender is to use. */
export function faultsOf(advert: Frame, timeToLive = "255"): string[] {
  const faults = [];
  if (!isGood(advert.checksum)) faults.push(`checksum ${advert.checksum}`);
  if (advert.source4 !== "" && !isGood(advert.ipChecksum)) faults.push(`IP checksum ${advert.ipChecksum}`);
  if (advert.timeToLive !== timeToLive) faults.push(`TTL ${advert.timeToLive}`);
  if (advert.vrrpType !== "1") faults.push(`type ${advert.vrrpType}`);
  if (advert.malformed !== "") faults.push(`malformed ${advert.malformed}`);
  const listed = advert.addresses === "" ? 0 : advert.addresses.split(",").length;
  if (Number(advert.count) !== listed) faults.push(`${advert.count} addresses announced, ${listed} listed`);
  return faults;
}
