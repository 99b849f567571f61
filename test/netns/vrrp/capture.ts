import type { Namespace } from "../../lab/netns.ts";
import type { RunningProcess } from "../../lab/processes.ts";
import { waitFor } from "../../lab/wait.ts";

/** What tshark, which is another implementation of the protocols, makes of a frame. */
const FIELDS = {
  time: "frame.time_epoch",
  source: "ip.src",
  destination: "ip.dst",
  timeToLive: "ip.ttl",
  typeOfService: "ip.dsfield",
  ipChecksum: "ip.checksum.status",
  version: "vrrp.version",
  vrid: "vrrp.virt_rtr_id",
  priority: "vrrp.prio",
  interval: "vrrp.adver_int",
  count: "vrrp.addr_count",
  addresses: "vrrp.ip_addr",
  checksum: "vrrp.checksum.status",
  malformed: "_ws.malformed",
  vrrpType: "vrrp.type",
  arpOperation: "arp.opcode",
  arpSender: "arp.src.proto_ipv4",
  arpTarget: "arp.dst.proto_ipv4",
  arpHardware: "arp.src.hw_mac",
  ethernetSource: "eth.src",
  ethernetDestination: "eth.dst",
} as const;

export type Frame = Readonly<Record<keyof typeof FIELDS, string>> & { readonly atMs: number };

/** Adverts and ARP on a bridge, as tshark dissects them. */
export class Capture {
  readonly #process: RunningProcess;

  private constructor(running: RunningProcess) {
    this.#process = running;
  }

  static async start(bridge: Namespace): Promise<Capture> {
    const fields = Object.values(FIELDS).flatMap((field) => ["-e", field]);
    const filter = ["-f", "ip proto 112 or arp", "-o", "ip.check_checksum:TRUE"];
    const args = ["-l", "-n", "-i", "br0", ...filter, "-T", "fields", "-E", "separator=|", ...fields];
    const running = await bridge.start("tshark", args);
    await running.waitForOutput(/Capturing on/);
    return new Capture(running);
  }

  frames(): Frame[] {
    return this.#process.stdout
      .split("\n")
      .filter((line) => line.includes("|"))
      .map((line) => {
        const values = line.split("|");
        const record = Object.fromEntries(Object.keys(FIELDS).map((key, index) => [key, values[index] ?? ""]));
        return { ...(record as Record<keyof typeof FIELDS, string>), atMs: Number(record.time) * 1000 };
      });
  }

  adverts(source: string): Frame[] {
    return this.frames().filter((frame) => frame.priority !== "" && frame.source === source);
  }

  /** Gratuitous ARP for an address. */
  announcements(address: string): Frame[] {
    return this.frames().filter((frame) => frame.arpSender === address && frame.arpTarget === address);
  }

  async waitForAdvert(what: string, source: string, condition: (frame: Frame) => boolean = () => true): Promise<Frame> {
    return await waitFor(() => this.adverts(source).find(condition), { what, timeoutMs: 15_000 });
  }

  async stop(): Promise<void> {
    await this.#process.stop();
  }
}
