import type { VirtualMacConfig, VrrpInstanceConfig } from "../../config/vrrp.types.ts";
import type { BorrowedSettings } from "../../core/borrowedSettings.ts";
import { isMarkedDevice, LINK_KINDS_HOLDFAST, LINK_MARK_HOLDFAST } from "../../wire/netlink/rtnl.ts";
import { hardwareText } from "./hardwareAddress.ts";
import type { HostInterface, IndexedView } from "./hostView.ts";
import { heldAddresses } from "./leases.ts";
import type { ChangeOutcome, DeviceRequest, VrrpHost } from "./ports.ts";
import { isReversePathFilter, moveReversePathFilter } from "./reversePathFilter.ts";

/** A device of our own that carries addresses: of `use_vmac`, `use_vmac_addr`, `use_ipvlan`. */
export interface WantedDevice {
  /** Of the instance that the first mention belongs to: alarms are its. */
  readonly instance: string;
  readonly base: string;
  readonly config: VirtualMacConfig;
}

export interface VirtualDeviceModules {
  readonly host: VrrpHost;
  readonly settings: BorrowedSettings;
  readonly failed: (instance: string, what: string, detail: string) => void;
}

/** The devices that a configuration asks for, each once. */
export function wantedDevices(instances: readonly VrrpInstanceConfig[]): readonly WantedDevice[] {
  const wanted = new Map<string, WantedDevice>();
  const want = (instance: string, base: string | undefined, config: VirtualMacConfig | undefined): void => {
    if (config === undefined || base === undefined || wanted.has(config.name)) return;
    wanted.set(config.name, { instance, base, config });
  };
  for (const instance of instances) {
    want(instance.name, instance.interface, instance.virtualMac);
    for (const vip of heldAddresses(instance)) want(instance.name, vip.baseInterface, vip.ownVirtualMac);
  }
  return [...wanted.values()];
}

/** Its IFLA_IFALIAS: who looks at the host sees whose it is, and a later life of ours knows it again. */
function aliasOf({ instance }: WantedDevice): string {
  return `${LINK_MARK_HOLDFAST}VRRP:${instance}`;
}

/** Devices that an earlier life made, by its mark, and that nobody asks for any more. */
export function leftDevices(wanted: readonly WantedDevice[], view: IndexedView): readonly HostInterface[] {
  const names = new Set(wanted.map(({ config }) => config.name));
  return view.interfaces.filter((link) => isMarkedDevice(link) && !names.has(link.name));
}

/**
 * Makes the wanted devices be there: creates them before the election, adopts those of an earlier life, creates them anew
 * when somebody deletes them or their base was created again, and removes them at the end.
 */
export class VirtualDevices {
  readonly #modules: VirtualDeviceModules;
  #wanted: readonly WantedDevice[] = [];
  /** Prepared devices by name, and their index then. */
  readonly #prepared = new Map<string, number>();
  /** What was told of a device already, until it succeeds. */
  readonly #failures = new Map<string, string>();

  constructor(modules: VirtualDeviceModules) {
    this.#modules = modules;
  }

  /** The devices from now on; those that are not wanted any more are removed. Returns whether there were any. */
  configure(wanted: readonly WantedDevice[], view: IndexedView): boolean {
    const names = new Set(wanted.map(({ config }) => config.name));
    const unwanted = [...this.#prepared.keys()].filter((name) => !names.has(name));
    this.#remove(unwanted, view);
    this.#wanted = wanted;
    return unwanted.length > 0;
  }

  /** Returns whether anything was changed, so that the view is out of date. */
  follow(view: IndexedView): boolean {
    let changed = false;
    for (const device of this.#wanted) {
      if (this.#ensure(device, view)) changed = true;
    }
    if (this.#prepared.size > 0) {
      const { host, settings } = this.#modules;
      moveReversePathFilter(host, settings, view, (name) => this.#prepared.has(name));
    }
    return changed;
  }

  /** Whether a setting of the host is borrowed for a device that is wanted. */
  needs(setting: string): boolean {
    if (this.#wanted.length > 0 && isReversePathFilter(setting)) return true;
    return this.#wanted.some(({ base }) => sharedWith(base).includes(setting));
  }

  #ensure(device: WantedDevice, view: IndexedView): boolean {
    const { instance, base, config } = device;
    const baseLink = view.named(base);
    const existing = view.named(config.name);
    if (baseLink === undefined) return false;
    if (existing !== undefined && matches(existing, baseLink, config)) {
      if (this.#prepared.get(config.name) !== existing.index) this.#prepare(device, baseLink, existing.index);
      const marked = this.#mark(device, existing);
      if (existing.administrativelyUp || !baseLink.administrativelyUp) return marked;
      return this.#check(instance, `${config.name} up`, this.#modules.host.setDeviceUp(existing.index)) || marked;
    }
    if (existing !== undefined) {
      if (!LINK_KINDS_HOLDFAST.has(existing.kind)) {
        this.#fail(
          instance,
          config.name,
          `an interface of another kind (${existing.kind ?? "hardware"}) has this name`,
        );
        return false;
      }
      if (!this.#check(instance, `delete ${config.name}`, this.#modules.host.deleteDevice(existing.index)))
        return false;
    }
    const request: DeviceRequest = {
      kind: config.kind,
      name: config.name,
      baseIndex: baseLink.index,
      hardwareAddress: config.hardwareAddress === undefined ? undefined : Uint8Array.from(config.hardwareAddress),
      ipvlanMode: config.ipvlanMode,
      alias: aliasOf(device),
    };
    // It is prepared and brought up when the next dump shows it, with its index.
    return this.#check(instance, `create ${config.name}`, this.#modules.host.createDevice(request));
  }

  /** Before it is up: no addresses of its own making, ARP for its own addresses only, and packets whose way back is the base's. */
  #prepare(device: WantedDevice, base: HostInterface, index: number): void {
    const { instance, config } = device;
    const own: [string, string][] = [
      [`ipv6/conf/${config.name}/addr_gen_mode`, "1"],
      [`ipv6/conf/${config.name}/accept_ra`, "0"],
      [`ipv6/conf/${config.name}/autoconf`, "0"],
      [`ipv4/conf/${config.name}/arp_ignore`, "1"],
      [`ipv4/conf/${config.name}/accept_local`, "1"],
      [`ipv4/conf/${config.name}/rp_filter`, "0"],
      [`ipv4/conf/${config.name}/promote_secondaries`, "1"],
    ];
    const { host, settings } = this.#modules;
    for (const [path, value] of own) {
      const before = host.readSysctl(path);
      if (before === undefined || before === value) continue;
      this.#check(instance, `sysctl ${path}`, host.writeSysctl(path, value));
    }
    const [ignore, announce] = sharedWith(base.name);
    // Else the base answers for the addresses of the device, with its own hardware address.
    if (host.readSysctl(ignore) === "0") this.#check(instance, `sysctl ${ignore}`, settings.hold(ignore, "1"));
    // Else an answer from a VIP asks for its receiver by the base, as the VIP: neighbours would learn the base's hardware address.
    this.#check(instance, `sysctl ${announce}`, settings.hold(announce, "2"));
    this.#prepared.set(config.name, index);
  }

  /** One that we take over is ours from now on, also when it is left behind, or another instance's. What others call it stays. */
  #mark(device: WantedDevice, { index, alias }: HostInterface): boolean {
    const wanted = aliasOf(device);
    if (alias === wanted || (alias !== undefined && !alias.startsWith(LINK_MARK_HOLDFAST))) return false;
    const { instance, config } = device;
    return this.#check(instance, `alias of ${config.name}`, this.#modules.host.setDeviceAlias(index, wanted));
  }

  #remove(names: readonly string[], view: IndexedView): void {
    for (const name of names) {
      const link = view.named(name);
      const index = this.#prepared.get(name);
      this.#prepared.delete(name);
      if (link !== undefined && link.index === index) this.#modules.host.deleteDevice(link.index);
    }
  }

  #check(instance: string, what: string, outcome: ChangeOutcome): boolean {
    if (outcome.ok) this.#failures.delete(what);
    else this.#fail(instance, what, outcome.code);
    return outcome.ok;
  }

  #fail(instance: string, what: string, detail: string): void {
    if (this.#failures.get(what) === detail) return;
    this.#failures.set(what, detail);
    this.#modules.failed(instance, what, detail);
  }
}

/** Settings of an interface that the devices standing on it need: who answers ARP for an address, and who asks in its name. */
function sharedWith(base: string): readonly [ignore: string, announce: string] {
  return [`ipv4/conf/${base}/arp_ignore`, `ipv4/conf/${base}/arp_announce`];
}

function matches(link: HostInterface, base: HostInterface, config: VirtualMacConfig): boolean {
  if (link.kind !== config.kind || link.baseIndex !== base.index) return false;
  if (config.hardwareAddress === undefined) return true;
  return hardwareText(link) === hardwareText({ hardwareAddress: Uint8Array.from(config.hardwareAddress) });
}

/**
 * Where the adverts of an instance are heard. With a macvlan, on it alone: a peer's advert that carries the same virtual
 * MAC is delivered to the macvlan and not to its base (the kernel takes it for one of its own), and all other multicast
 * arrives on both. By unicast they are addressed to the base.
 */
export function listeningDevice({ virtualMac, transport, interface: base }: VrrpInstanceConfig): string {
  return virtualMac?.kind === "macvlan" && transport.kind === "multicast" ? virtualMac.name : base;
}

/** What the adverts of an instance leave by. */
export function sendingDevice({ virtualMac, transport, interface: base }: VrrpInstanceConfig): string {
  return virtualMac === undefined || virtualMac.transmitFromBase || transport.kind === "unicast"
    ? base
    : virtualMac.name;
}
