/** When adverts, gratuitous ARP and neighbour advertisements passed a bridge: a capture with the kernel's time stamps, read afterwards. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onCleanup } from "../lab/cleanup.ts";
import type { Namespace } from "../lab/netns.ts";
import type { RunningProcess } from "../lab/processes.ts";

export interface SeenAdvert {
  /** Milliseconds since the epoch, microseconds behind the point. */
  readonly atMs: number;
  /** Last byte of the source address: tells the hosts of a bench apart. */
  readonly from: number;
  readonly virtualRouterId: number;
  readonly priority: number;
}

export interface SeenAnnouncement {
  readonly atMs: number;
  /** The announced address, as hex. */
  readonly address: string;
}

export interface Seen {
  readonly adverts: readonly SeenAdvert[];
  readonly announcements: readonly SeenAnnouncement[];
}

const VRRP_PROTOCOL = 112;
const ICMPV6 = 58;
const NEIGHBOR_ADVERTISEMENT = 136;
const ETHERNET_BYTES = 14;
const IPV6_BYTES = 40;

export class FrameRecorder {
  readonly #process: RunningProcess;
  readonly #folder: string;

  private constructor(running: RunningProcess, folder: string) {
    this.#process = running;
    this.#folder = folder;
  }

  static async start(bridge: Namespace): Promise<FrameRecorder> {
    const folder = mkdtempSync(join(tmpdir(), "holdfast-frames-"));
    onCleanup(() => rmSync(folder, { recursive: true, force: true }));
    const filter = "ip proto 112 or ip6 proto 112 or arp or (icmp6 and ip6[40] == 136)";
    // -U: a frame is in the file as soon as it was taken; -Z root: the file is ours to read.
    const args = [
      "-i",
      "br0",
      "-n",
      "-U",
      "-B",
      "16384",
      "-s",
      "96",
      "-Z",
      "root",
      "-w",
      join(folder, "frames"),
      filter,
    ];
    const running = await bridge.start("tcpdump", args, { name: "tcpdump" });
    await running.waitForOutput(/listening on/);
    return new FrameRecorder(running, folder);
  }

  /** Everything so far. */
  read(): Seen {
    return parseCapture(readFileSync(join(this.#folder, "frames")));
  }

  async stop(): Promise<Seen> {
    await this.#process.stop();
    const seen = this.read();
    rmSync(this.#folder, { recursive: true, force: true });
    return seen;
  }
}

/** Reads a pcap file of Ethernet frames (pcap-savefile(5), microseconds, this machine's byte order). */
function parseCapture(file: Buffer): Seen {
  const adverts: SeenAdvert[] = [];
  const announcements: SeenAnnouncement[] = [];
  for (let at = 24; at + 16 <= file.length; ) {
    const atMs = file.readUInt32LE(at) * 1000 + file.readUInt32LE(at + 4) / 1000;
    const length = file.readUInt32LE(at + 8);
    const frame = file.subarray(at + 16, at + 16 + length);
    at += 16 + length;
    if (frame.length < length) break;
    const packet = frame.subarray(ETHERNET_BYTES);
    switch (frame.readUInt16BE(12)) {
      case 0x0800: {
        if (packet[9] === VRRP_PROTOCOL) adverts.push(advertIn(packet, ((packet[0] ?? 0) & 15) * 4, packet[15], atMs));
        break;
      }
      case 0x86dd: {
        if (packet[6] === VRRP_PROTOCOL) adverts.push(advertIn(packet, IPV6_BYTES, packet[23], atMs));
        if (packet[6] === ICMPV6 && packet[IPV6_BYTES] === NEIGHBOR_ADVERTISEMENT) {
          announcements.push({ atMs, address: packet.toString("hex", IPV6_BYTES + 8, IPV6_BYTES + 24) });
        }
        break;
      }
      case 0x0806: {
        const sender = packet.toString("hex", 14, 18);
        if (sender === packet.toString("hex", 24, 28)) announcements.push({ atMs, address: sender });
        break;
      }
    }
  }
  return { adverts, announcements };
}

function advertIn(packet: Buffer, headerBytes: number, from: number | undefined, atMs: number): SeenAdvert {
  return {
    atMs,
    from: from ?? 0,
    virtualRouterId: packet[headerBytes + 1] ?? 0,
    priority: packet[headerBytes + 2] ?? 0,
  };
}

/**
 * How late adverts were, as a peer sees it: for every two successive ones of a virtual router, what their distance is longer
 * than the interval. Milliseconds, ascending; early ones count as 0.
 */
export function latenessMs(adverts: readonly SeenAdvert[], intervalMs: number): number[] {
  const last = new Map<number, number>();
  const late: number[] = [];
  for (const { virtualRouterId, atMs } of adverts) {
    const before = last.get(virtualRouterId);
    last.set(virtualRouterId, atMs);
    if (before !== undefined) late.push(Math.max(0, atMs - before - intervalMs));
  }
  return late.sort((a, b) => a - b);
}

/** The value below which this share (0 to 1) of ascending values lies. */
export function quantile(ascending: readonly number[], share: number): number {
  return ascending[Math.min(ascending.length - 1, Math.floor(ascending.length * share))] ?? Number.NaN;
}
