/**
 * Who holds a virtual address, seen from the kernels of all hosts: `ip monitor address` in each, with the times that it
 * prints. One machine, one clock: the records of different hosts can be compared.
 */
import type { NetworkHost } from "./netns.ts";
import type { RunningProcess } from "./processes.ts";

export interface AddressEvent {
  readonly host: string;
  readonly address: string;
  readonly present: boolean;
  /** Wall clock, milliseconds since the epoch with three decimals. */
  readonly atMs: number;
}

/** Wall clock with microseconds, to compare with the events. */
export const wallClockMs = (): number => performance.timeOrigin + performance.now();

export class AddressWatch {
  readonly #monitors: readonly { readonly host: string; readonly process: RunningProcess }[];

  private constructor(monitors: readonly { readonly host: string; readonly process: RunningProcess }[]) {
    this.#monitors = monitors;
  }

  static async start(hosts: readonly NetworkHost[]): Promise<AddressWatch> {
    const monitors = hosts.map(async (host) => {
      // UTC, or the printed times would be the machine's local ones without a zone.
      const env = { ...process.env, TZ: "UTC" };
      return {
        host: host.host,
        process: await host.start("ip", ["-tshort", "-oneline", "monitor", "address"], { env }),
      };
    });
    return new AddressWatch(await Promise.all(monitors));
  }

  /** Every change of presence since the start, in the order of time; refreshes of an address that is there are left out. */
  events(): AddressEvent[] {
    return this.#monitors
      .flatMap(({ host, process: monitor }) => changes(host, monitor.stdout))
      .sort((a, b) => a.atMs - b.atMs);
  }

  /** Hosts that hold the address according to the events. */
  holders(address: string, events = this.events()): string[] {
    const last = new Map(
      events.filter((event) => event.address === address).map((event) => [event.host, event.present]),
    );
    return [...last].filter(([, present]) => present).map(([host]) => host);
  }

  /** The first event after `sinceMs` that makes the address present (or absent) at a host. */
  first(host: string, address: string, present: boolean, sinceMs: number): AddressEvent | undefined {
    return this.events().find(
      (event) => event.host === host && event.address === address && event.present === present && event.atMs >= sinceMs,
    );
  }

  /** How long, in milliseconds and in all, the address was at several hosts at once since `sinceMs` (default: the start). */
  doubleHoldMs(address: string, sinceMs = 0): number {
    const at = new Set<string>();
    let since: number | undefined;
    let sum = 0;
    for (const event of this.events().filter((candidate) => candidate.address === address)) {
      if (event.present) at.add(event.host);
      else at.delete(event.host);
      if (at.size > 1) since ??= event.atMs;
      else if (since !== undefined) {
        sum += Math.max(0, event.atMs - Math.max(since, sinceMs));
        since = undefined;
      }
    }
    return sum + (since === undefined ? 0 : wallClockMs() - Math.max(since, sinceMs));
  }

  async stop(): Promise<void> {
    await Promise.all(this.#monitors.map(({ process: monitor }) => monitor.stop()));
  }
}

/** A line is `[2026-11-24T00:26:45.123456] Deleted 2: eth0    inet 10.0.2.10/32 scope ...`. */
function changes(host: string, output: string): AddressEvent[] {
  const present = new Set<string>();
  const events: AddressEvent[] = [];
  for (const line of output.split("\n")) {
    const match = /^\[(\S+?)]\s*(Deleted )?\d+: \S+\s+inet6? ([^/\s]+)/.exec(line);
    if (match === null) continue;
    const [, time = "", deleted, address = ""] = match;
    const isPresent = deleted === undefined;
    if (present.has(address) === isPresent) continue;
    if (isPresent) present.add(address);
    else present.delete(address);
    const micros = Number(/\.\d{3}(\d{3})/.exec(time)?.[1] ?? 0);
    events.push({ host, address, present: isPresent, atMs: Date.parse(`${time.slice(0, 23)}Z`) + micros / 1000 });
  }
  return events;
}
