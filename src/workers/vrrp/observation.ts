import type { VrrpInstanceConfig } from "../../config/vrrp.types.ts";
import type { Ip } from "../../core/ip.ts";
import type { LinkFacts } from "../../vrrp/types.ts";
import { hardwareText } from "./hardwareAddress.ts";
import type { IndexedView } from "./hostView.ts";
import { heldAddresses } from "./leases.ts";
import { linkFacts } from "./linkFacts.ts";

/** What one instance sees of the host: everything that may change what its machine should do. */
export interface Observation {
  readonly index: number | undefined;
  readonly facts: LinkFacts;
  /** Indices of the addresses' devices. */
  readonly devices: string;
  /** Hardware addresses of the addresses' devices. */
  readonly hardwareOf: ReadonlyMap<string, string>;
}

/** `up`: the interface's state after its configured delays. */
export function observe(
  config: VrrpInstanceConfig,
  view: IndexedView,
  up: boolean,
  vips: ReadonlySet<Ip>,
): Observation {
  const names = [...new Set(heldAddresses(config).map((vip) => vip.device))];
  const devices = names.map((name) => [name, view.named(name)] as const);
  return {
    index: view.named(config.interface)?.index,
    facts: linkFacts(config, view, up, vips),
    devices: devices.map(([name, link]) => `${name} ${link?.index ?? ""}`).join(","),
    hardwareOf: new Map(devices.map(([name, link]) => [name, link === undefined ? "" : hardwareText(link)])),
  };
}

/** The interface was deleted and created again between two dumps. */
export function isRecreated(before: Observation, seen: Observation): boolean {
  return before.index !== undefined && seen.index !== undefined && before.index !== seen.index;
}

export function isChanged(before: Observation, seen: Observation): boolean {
  return !sameFacts(before.facts, seen.facts) || before.devices !== seen.devices || before.index !== seen.index;
}

/** Devices whose hardware address is another than before. */
export function changedHardware(before: Observation, seen: Observation): ReadonlySet<string> {
  const changed = new Set<string>();
  for (const [device, address] of seen.hardwareOf) {
    const known = before.hardwareOf.get(device);
    if (known !== undefined && known !== address) changed.add(device);
  }
  return changed;
}

function sameFacts(a: LinkFacts, b: LinkFacts): boolean {
  return (
    a.present === b.present &&
    a.up === b.up &&
    a.primaryAddress === b.primaryAddress &&
    a.sourceAddressMissing === b.sourceAddressMissing &&
    a.noUnicastPeer === b.noUnicastPeer
  );
}
