/**
 * A network of hosts on which either program runs the same keepalived.conf, unchanged, watched from outside only: frames
 * on the bridge, addresses in the kernels, and what the program says of its state. One network serves all tests of a file:
 * to make it takes longer than most tests.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AddressWatch } from "../lab/addressWatch.ts";
import { onCleanup } from "../lab/cleanup.ts";
import { createNetwork, type HostOptions, type Network, type NetworkHost } from "../lab/netns.ts";
import { waitFor } from "../lab/wait.ts";
import { Capture, type Frame, faultsOf } from "../netns/vrrp/capture.ts";
import type { HoldfastRouter, Program, Router, RouterState } from "./programs.ts";
import { startRouter } from "./programs.ts";

/** Of `ip -json address`. */
interface IpLink {
  readonly ifname: string;
  /** Of a device that stands on another one of the same host: macvlan, ipvlan. */
  readonly link?: string;
  readonly addr_info: readonly { readonly local: string }[];
}

export interface LanOptions {
  readonly prefix: string;
  readonly hosts: readonly HostOptions[];
  /** Addresses of a second device `eth1` of each host, on a bridge of its own; default: no such device. */
  readonly secondAddresses?: Readonly<Record<string, string>>;
}

async function addSecondDevices(network: Network, addresses: Readonly<Record<string, string>>): Promise<void> {
  const entries = Object.entries(addresses);
  if (entries.length === 0) return;
  await network.bridge.ipBatch([
    "link add br1 type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
    "link set br1 up",
  ]);
  for (const [name, address] of entries) {
    const host = network.host(name);
    await network.bridge.ipBatch([
      `link add ${name}-1 type veth peer name eth1 netns ${host.name}`,
      `link set ${name}-1 master br1 up`,
    ]);
    await host.ipBatch(["link set eth1 up", `address add ${address} dev eth1`]);
  }
}

/** The network, what watches it, and the routers of the running test. */
export class Lan {
  readonly network: Network;
  readonly watch: AddressWatch;
  readonly capture: Capture;
  readonly #folder: string;
  readonly #routers: Router[] = [];
  /** Of each host, before anything ran on it. */
  readonly #ownAddresses = new Map<string, readonly string[]>();
  /** Adverts that `clear` has judged. */
  #judged = 0;
  /** How `clear` judges the adverts of the running test by tshark's dissection; a test that means something else sets it. */
  faultsOfAdvert: (advert: Frame) => string[] = faultsOf;

  private constructor(network: Network, watch: AddressWatch, capture: Capture) {
    this.network = network;
    this.watch = watch;
    this.capture = capture;
    this.#folder = mkdtempSync(join(tmpdir(), "holdfast-lan-"));
    onCleanup(() => rmSync(this.#folder, { recursive: true, force: true }));
  }

  static async open(options: LanOptions): Promise<Lan> {
    const network = await createNetwork(options);
    await addSecondDevices(network, options.secondAddresses ?? {});
    const lan = new Lan(network, await AddressWatch.start(network.hosts), await Capture.start(network.bridge));
    for (const host of network.hosts) {
      const links = JSON.parse(await host.ip("-json", "address")) as IpLink[];
      lan.#ownAddresses.set(
        host.host,
        links.flatMap((link) => link.addr_info.map(({ local }) => local)),
      );
    }
    return lan;
  }

  /** Pulls the cable of a host's `eth1`, or puts it back. */
  async plugSecond(host: string, plugged: boolean): Promise<void> {
    await this.network.bridge.ip("link", "set", `${host}-1`, plugged ? "up" : "down");
  }

  host(name: string): NetworkHost {
    return this.network.host(name);
  }

  /** Starts a program on a file; it is stopped by `clear` at the latest. */
  async start(program: "holdfast", host: string, text: string): Promise<HoldfastRouter>;
  async start(program: Program, host: string, text: string): Promise<Router>;
  async start(program: Program, host: string, text: string): Promise<Router> {
    const started = await startRouter(program, this.host(host), text, this.#folder);
    this.#routers.push(started);
    return started;
  }

  /** Waits until the newest state of an instance is this one. */
  async untilState(router: Router, state: RouterState, instance = "RW", timeoutMs = 20_000): Promise<void> {
    await waitFor(
      () => {
        if (router.process.exit !== undefined)
          throw new Error(`${router.process.name} ended:\n${router.process.output}`);
        return router.states(instance).at(-1) === state;
      },
      { what: `${instance} at ${router.process.name} to be ${state}`, timeoutMs, found: () => router.process.output },
    );
  }

  /** Waits until exactly these hosts hold an address. */
  async untilHeldBy(address: string, ...hosts: string[]): Promise<void> {
    const expected = [...hosts].sort().join();
    await waitFor(() => this.watch.holders(address).sort().join() === expected, {
      what: `${address} to be held by ${expected || "nobody"}`,
      timeoutMs: 20_000,
      found: () => ({ holders: this.watch.holders(address), events: this.watch.events().slice(-10) }),
    });
  }

  /** Waits until this many adverts came from an address, or from any, since a time. */
  async untilAdverts(source: string | undefined, count: number, sinceMs: number): Promise<Frame[]> {
    return await waitFor(
      () => {
        const seen = this.capture.adverts(source, sinceMs);
        return seen.length >= count ? seen : undefined;
      },
      {
        what: `${count} adverts from ${source ?? "anybody"}`,
        timeoutMs: 20_000,
        found: () => `\n${this.#routers.map(({ process }) => process.output).join("\n---\n")}`,
      },
    );
  }

  /**
   * The end of a test: stops every router, removes what a killed keepalived leaves for ever (addresses and devices), and
   * throws when an advert of the test is not as it has to be.
   */
  async clear(): Promise<void> {
    await Promise.all(this.#routers.splice(0).map((router) => router.stop()));
    await this.#removeLeftovers();
    await this.capture.catchUp();
    const adverts = this.capture.adverts();
    const judge = this.faultsOfAdvert;
    this.faultsOfAdvert = faultsOf;
    const faults = adverts
      .slice(this.#judged)
      .flatMap((advert) => judge(advert).map((fault) => `from ${advert.source}, VRID ${advert.vrid}: ${fault}`));
    this.#judged = adverts.length;
    if (faults.length > 0) throw new Error(`${faults.length} faults of adverts, for instance ${faults[0]}`);
  }

  async #removeLeftovers(): Promise<void> {
    for (const host of this.network.hosts) {
      const own = this.#ownAddresses.get(host.host) ?? [];
      for (const link of JSON.parse(await host.ip("-json", "address")) as IpLink[]) {
        if (link.link !== undefined) {
          await host.ip("link", "delete", link.ifname);
          continue;
        }
        for (const { local } of link.addr_info.filter((shown) => !own.includes(shown.local))) {
          // Not `delete`: a lease may end meanwhile.
          await host.ip("address", "flush", "dev", link.ifname, "to", local);
        }
      }
    }
  }

  async close(): Promise<void> {
    await this.watch.stop();
    await this.capture.stop();
    this.network.remove();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
