/**
 * Network namespaces for tests and the lab: hosts with `eth0` on one bridge, which lives in a namespace of its own, so
 * nothing shows in the machine's own network. Names carry their owner (pid and its start time), so that the namespaces of
 * a run that was killed are recognised and swept by the next one. Needs root and iproute2.
 */

import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { onCleanup } from "./cleanup.ts";
import { ownerHasEnded, ownerTag } from "./owner.ts";
import {
  type FinishedProcess,
  type RunningProcess,
  type RunOptions,
  runProcess,
  type StartOptions,
  startProcess,
} from "./processes.ts";

const NAMESPACES = "/run/netns";

/** An address as the kernel shows it. */
export interface ShownAddress {
  readonly family: "inet" | "inet6";
  readonly address: string;
  readonly prefixLength: number;
  /** ifa_label; IPv4 only. */
  readonly label: string | undefined;
  readonly scope: string;
  /** IFA_F_SECONDARY */
  readonly secondary: boolean;
  /** Remaining seconds; 4294967295 is for ever. */
  readonly validLifetimeSec: number;
  readonly preferredLifetimeSec: number;
}

/** As printed by `ip -json address`: iproute2's own field names. */
interface IpAddressJson {
  readonly ifname: string;
  readonly flags: readonly string[];
  readonly operstate: string;
  readonly address: string;
  readonly addr_info: readonly {
    readonly family: "inet" | "inet6";
    readonly local?: string;
    readonly prefixlen: number;
    readonly label?: string;
    readonly scope: string;
    readonly secondary?: boolean;
    readonly valid_life_time: number;
    readonly preferred_life_time: number;
  }[];
}

/** One network namespace that this process made. */
export class Namespace {
  /** As `ip netns` knows it. */
  readonly name: string;
  /** For setns(2). */
  readonly path: string;
  readonly #forget: () => void;

  constructor(name: string) {
    this.name = name;
    this.path = `${NAMESPACES}/${name}`;
    this.#forget = onCleanup(() => removeNamespace(name));
  }

  /** Runs a program in here to its end. */
  async exec(command: string, args: readonly string[] = [], options: RunOptions = {}): Promise<FinishedProcess> {
    return await runProcess("ip", ["netns", "exec", this.name, command, ...args], options);
  }

  /** Starts a program in here; it is ended with the namespace at the latest. */
  async start(command: string, args: readonly string[] = [], options: StartOptions = {}): Promise<RunningProcess> {
    // `ip netns exec` replaces itself by the program: the pid is the program's own.
    const name = options.name ?? `${command} in ${this.name}`;
    return await startProcess("ip", ["netns", "exec", this.name, command, ...args], { ...options, name });
  }

  /** Runs `ip ARGS...` in here and returns its output. */
  async ip(...args: string[]): Promise<string> {
    return (await runProcess("ip", ["-netns", this.name, ...args])).stdout;
  }

  /** Runs lines of `ip -batch` in here: one process for many changes. */
  async ipBatch(lines: readonly string[]): Promise<void> {
    await runProcess("ip", ["-netns", this.name, "-batch", "-"], { input: `${lines.join("\n")}\n` });
  }

  /** The addresses of a device, IPv6 link-local ones included, in the kernel's order. */
  async addresses(device = "eth0"): Promise<ShownAddress[]> {
    const links = JSON.parse(await this.ip("-json", "address", "show", "dev", device)) as IpAddressJson[];
    // An entry without a local address is iproute2's way of showing an address filtered out.
    return links
      .flatMap((link) => link.addr_info ?? [])
      .flatMap((info) =>
        info.local === undefined
          ? []
          : [
              {
                family: info.family,
                address: info.local,
                prefixLength: info.prefixlen,
                label: info.label,
                scope: info.scope,
                secondary: info.secondary === true,
                validLifetimeSec: info.valid_life_time,
                preferredLifetimeSec: info.preferred_life_time,
              },
            ],
      );
  }

  /** Whether an address (without prefix) is present on a device. */
  async hasAddress(address: string, device = "eth0"): Promise<boolean> {
    return (await this.addresses(device)).some((shown) => shown.address === address);
  }

  async hardwareAddress(device = "eth0"): Promise<string> {
    const [link] = JSON.parse(await this.ip("-json", "link", "show", "dev", device)) as IpAddressJson[];
    if (link === undefined) throw new Error(`${this.name} has no device ${device}`);
    return link.address;
  }

  async setSysctl(name: string, value: string | number): Promise<void> {
    await this.exec("sysctl", ["-q", "-w", `${name}=${value}`]);
  }

  /** `ip link set DEVICE down` in the host itself: the kernel keeps its IPv4 addresses and drops the IPv6 ones. */
  async linkDown(device = "eth0"): Promise<void> {
    await this.ip("link", "set", device, "down");
  }

  async linkUp(device = "eth0"): Promise<void> {
    await this.ip("link", "set", device, "up");
  }

  /** Kills what runs in here and removes it. Idempotent. */
  remove(): void {
    removeNamespace(this.name);
    this.#forget();
  }
}

/** A host of a network: a namespace with `eth0` on the network's bridge. */
export class NetworkHost extends Namespace {
  /** Its name in the network, for instance `kad1`. */
  readonly host: string;
  readonly #bridge: Namespace;
  readonly #port: string;

  constructor(name: string, host: string, bridge: Namespace, port: string) {
    super(name);
    this.host = host;
    this.#bridge = bridge;
    this.#port = port;
  }

  /** Pulls the cable: `eth0` stays up, without carrier. */
  async unplug(): Promise<void> {
    await this.#bridge.ip("link", "set", this.#port, "down");
  }

  async plug(): Promise<void> {
    await this.#bridge.ip("link", "set", this.#port, "up");
  }

  /** The switch stops forwarding for this host, which keeps its carrier and notices nothing. */
  async isolate(): Promise<void> {
    await this.#bridge.ip("link", "set", this.#port, "nomaster");
  }

  async rejoin(): Promise<void> {
    await this.#bridge.ip("link", "set", this.#port, "master", "br0");
  }
}

export interface HostOptions {
  readonly name: string;
  /** On `eth0`, with prefix length, either family, for instance `192.0.2.11/24`. IPv6 ones are usable at once (nodad). */
  readonly addresses?: readonly string[];
  /** Hardware address of `eth0`; default: drawn by the kernel. */
  readonly hardwareAddress?: string;
}

export interface NetworkOptions {
  /** Part of the namespaces' names, to tell the tests apart; letters, digits, `-`. */
  readonly prefix: string;
  readonly hosts: readonly HostOptions[];
  readonly mtu?: number;
}

/** A bridge and its hosts. */
export class Network {
  /** The namespace of the switch; its bridge is `br0`, on which all traffic can be watched. */
  readonly bridge: Namespace;
  readonly hosts: readonly NetworkHost[];

  constructor(bridge: Namespace, hosts: readonly NetworkHost[]) {
    this.bridge = bridge;
    this.hosts = hosts;
  }

  host(name: string): NetworkHost {
    const found = this.hosts.find((host) => host.host === name);
    if (found === undefined) throw new Error(`the network has no host ${name}`);
    return found;
  }

  /** Ends everything in the network and removes it. Idempotent. */
  remove(): void {
    for (const host of this.hosts) host.remove();
    this.bridge.remove();
  }
}

let counter = 0;
let swept = false;

/** `hf-PID-START-N-PREFIX`: says who owns the namespace. */
function uniqueName(prefix: string): string {
  counter += 1;
  return `hf-${ownerTag}-${counter}-${prefix}`;
}

/** Removes the namespaces whose owner has ended without doing so, and kills what still runs in them. */
export function sweepLeftovers(): string[] {
  let names: string[];
  try {
    names = readdirSync(NAMESPACES);
  } catch {
    return [];
  }
  const dead = names.filter((name) => {
    const owner = /^hf-(\d+-\d+)-\d+-/.exec(name)?.[1];
    return owner !== undefined && ownerHasEnded(owner);
  });
  for (const name of dead) removeNamespace(name);
  return dead;
}

/** Synchronous, since it also runs while this process exits. Whatever is in the namespace was started for it. */
function removeNamespace(name: string): void {
  const found = spawnSync("ip", ["netns", "pids", name], { encoding: "utf8" });
  for (const pid of (found.stdout ?? "").split("\n").filter((line) => line !== "")) {
    try {
      process.kill(Number(pid), "SIGKILL");
    } catch {
      // it has ended meanwhile
    }
  }
  spawnSync("ip", ["netns", "delete", name], { stdio: "ignore" });
}

async function addNamespace(prefix: string): Promise<Namespace> {
  const name = uniqueName(prefix);
  const namespace = new Namespace(name);
  try {
    await prepareNamespace(name);
  } catch (error) {
    namespace.remove();
    throw error;
  }
  return namespace;
}

async function prepareNamespace(name: string): Promise<void> {
  await runProcess("ip", ["netns", "add", name]);
  await runProcess("ip", ["-netns", name, "link", "set", "lo", "up"]);
}

/** Makes one namespace with nothing but its loopback device, which is up. */
export async function createNamespace(prefix: string): Promise<Namespace> {
  sweepOnce();
  return await addNamespace(prefix);
}

function sweepOnce(): void {
  if (swept) return;
  swept = true;
  for (const name of sweepLeftovers()) process.stderr.write(`removed ${name}, left by a run that was killed\n`);
}

/**
 * Makes a bridge and its hosts, all links up. Equal to, for each host:
 * `ip link add pN netns BRIDGE type veth peer name eth0 netns HOST; ip link set pN master br0 up; ip address add ...`.
 */
export async function createNetwork(options: NetworkOptions): Promise<Network> {
  sweepOnce();
  const made: Namespace[] = [];
  try {
    const bridge = await addNamespace(`${options.prefix}-bridge`);
    made.push(bridge);
    // No snooping and no forward delay: adverts reach every port from the first moment, as on a plain switch.
    await bridge.ipBatch(["link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0", "link set br0 up"]);
    const hosts: NetworkHost[] = [];
    for (const [index, host] of options.hosts.entries()) {
      const added = new NetworkHost(uniqueName(`${options.prefix}-${host.name}`), host.name, bridge, `p${index}`);
      made.push(added);
      hosts.push(added);
      await prepareNamespace(added.name);
      await connect(bridge, added, `p${index}`, host, options.mtu ?? 1500);
    }
    return new Network(bridge, hosts);
  } catch (error) {
    for (const namespace of made.reverse()) namespace.remove();
    throw error;
  }
}

async function connect(
  bridge: Namespace,
  host: NetworkHost,
  port: string,
  options: HostOptions,
  mtu: number,
): Promise<void> {
  await bridge.ipBatch([
    `link add ${port} mtu ${mtu} type veth peer name eth0 netns ${host.name} mtu ${mtu}`,
    `link set ${port} master br0 up`,
  ]);
  await host.ipBatch([
    ...(options.hardwareAddress === undefined ? [] : [`link set eth0 address ${options.hardwareAddress}`]),
    "link set eth0 up",
    ...(options.addresses ?? []).map((cidr) => `address add ${cidr} ${cidr.includes(":") ? "nodad " : ""}dev eth0`),
  ]);
}
