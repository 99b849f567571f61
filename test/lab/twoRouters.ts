/**
 * Two hosts on one LAN: on `a` runs what a test is about, on `b` a backup of either program. Who has the address is watched
 * in both kernels all the time.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AddressWatch } from "./addressWatch.ts";
import { onCleanup } from "./cleanup.ts";
import { Holdfast } from "./holdfast.ts";
import { Keepalived } from "./keepalived.ts";
import { createNetwork, type Network, type NetworkHost } from "./netns.ts";
import { waitFor } from "./wait.ts";

export const VIP = "10.0.2.10";
export const ADDRESSES = { a: "10.0.2.1", b: "10.0.2.2" } as const;
/** An emulated processor starts a daemon in seconds, a slow one in many. */
const PATIENCE_MS = 180_000;

export type TwoHosts = keyof typeof ADDRESSES;

export interface RouterOptions {
  readonly vips?: readonly string[];
  readonly nopreempt?: boolean;
  /** advert_int; default 1. */
  readonly intervalSec?: number;
}

/** A keepalived.conf of one virtual router, which begins as BACKUP. */
export function routerConfiguration(
  priority: number,
  { vips = [VIP], nopreempt = false, intervalSec = 1 }: RouterOptions = {},
): string {
  return `vrrp_instance RW {
  state BACKUP
${nopreempt ? "  nopreempt\n" : ""}  interface eth0
  virtual_router_id 1
  priority ${priority}
  advert_int ${intervalSec}
  virtual_ipaddress {
${vips.map((vip) => `    ${vip}/24`).join("\n")}
  }
}
`;
}

export class TwoRouters {
  readonly network: Network;
  readonly watch: AddressWatch;
  /** For files of the test; gone at the end. */
  readonly folder: string;
  readonly #options: RouterOptions;
  #peer: Holdfast | Keepalived | undefined;

  private constructor(network: Network, watch: AddressWatch, options: RouterOptions) {
    this.network = network;
    this.watch = watch;
    this.#options = options;
    this.folder = mkdtempSync(join(tmpdir(), "holdfast-two-"));
    onCleanup(() => rmSync(this.folder, { recursive: true, force: true }));
  }

  /** `options`: of the peer's configuration. */
  static async open(prefix: string, options: RouterOptions = {}): Promise<TwoRouters> {
    const hosts = (["a", "b"] as const).map((name) => ({ name, addresses: [`${ADDRESSES[name]}/24`] }));
    const network = await createNetwork({ prefix, hosts });
    return new TwoRouters(network, await AddressWatch.start(network.hosts), options);
  }

  host(name: TwoHosts): NetworkHost {
    return this.network.host(name);
  }

  /** Starts the router on `b`, with priority 100; resolves when it is a backup. `options`: instead of those that `open` was given. */
  async startPeer(program: "holdfast" | "keepalived", options: RouterOptions = this.#options): Promise<void> {
    const file = join(this.folder, "b.conf");
    // Debian's keepalived is started without it; ours has no packet filter.
    writeFileSync(file, `global_defs {\n  vrrp_strict\n}\n${routerConfiguration(100, options)}`);
    if (program === "keepalived") {
      const peer = await Keepalived.start(this.host("b"), file);
      this.#peer = peer;
      await peer.process.waitForOutput(/Entering BACKUP STATE/, PATIENCE_MS);
    } else {
      const peer = await Holdfast.start(this.host("b"), file);
      this.#peer = peer;
      await peer.waitForStatus("a backup", ({ vrrp }) => vrrp.instances[0]?.state === "BACKUP");
    }
  }

  async stopPeer(): Promise<void> {
    await this.#peer?.stop();
    this.#peer = undefined;
  }

  /** Hosts that have the address now; empty when nobody has it. */
  holders(): string {
    return this.watch.holders(VIP).join();
  }

  /** Waits until `host` alone has the address, or with an empty name nobody; `found` tells what was found instead. */
  async untilHeldBy(host: TwoHosts | "", found?: () => unknown): Promise<void> {
    const what = host === "" ? `nobody to have ${VIP}` : `${VIP} at ${host} alone`;
    await waitFor(() => this.holders() === host, { what, timeoutMs: PATIENCE_MS, ...(found && { found }) });
  }

  async close(): Promise<void> {
    await this.stopPeer();
    await this.watch.stop();
    this.network.remove();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
