import { type Family, family } from "../../core/ip.ts";
import type { VirtualAddressLine } from "../keywords/virtualIpaddress.ts";
import type { VirtualMacConfig } from "../vrrp.types.ts";
import { familyOf, interfaceOf } from "./effective.ts";
import type { InstanceValues, ParsedGlobal, ParsedInstance } from "./parsed.ts";

/** Which virtual MAC devices there are, how they are named, and which address stands on which. */

export interface VirtualMacPlan {
  /** `use_vmac` or `use_ipvlan` of the instance. */
  readonly own: VirtualMacConfig | undefined;
  /** Devices of single addresses, by the line that asks for one; addresses of one base and family share theirs. */
  readonly ofAddresses: ReadonlyMap<VirtualAddressLine, { readonly device: VirtualMacConfig; readonly base: string }>;
}

/** By name of instance. Names that are written come first, so that no generated one takes them. */
export function planVirtualMacs(
  instances: readonly ParsedInstance[],
  global: ParsedGlobal,
): ReadonlyMap<string, VirtualMacPlan> {
  const taken = new Set(instances.flatMap(({ values }) => writtenNames(values)));
  return new Map(instances.map((instance) => [instance.header, planInstance(instance, global, taken)]));
}

function writtenNames(values: InstanceValues): string[] {
  return [values.use_vmac?.value.name, values.use_ipvlan?.value.name].filter((name) => name !== undefined);
}

function planInstance({ values }: ParsedInstance, global: ParsedGlobal, taken: Set<string>): VirtualMacPlan {
  const vrid = values.virtual_router_id?.value ?? 0;
  const instanceInterface = interfaceOf(values, global);
  const instanceFamily = familyOf(values);
  const own = ownDevice(values, vrid, instanceFamily, () =>
    freeName(global.vmac_prefix.value, instanceFamily, vrid, taken),
  );
  const devices = new Map<string, { readonly device: VirtualMacConfig; readonly base: string }>();
  const ofAddresses = new Map<VirtualAddressLine, { readonly device: VirtualMacConfig; readonly base: string }>();
  const prefix = global.vmac_addr_prefix?.value ?? global.vmac_prefix.value;
  for (const { value: line } of [...values.virtual_ipaddress, ...values.virtual_ipaddress_excluded]) {
    const base = line.device ?? instanceInterface;
    const lineFamily = family(line.address);
    if (base === undefined || !wantsDevice(line, values, base === instanceInterface, lineFamily === instanceFamily))
      continue;
    const key = `${base} ${lineFamily}`;
    const device = devices.get(key) ?? {
      device: macvlan(freeName(prefix, lineFamily, vrid, taken), standardMac(lineFamily, vrid), values),
      base,
    };
    devices.set(key, device);
    ofAddresses.set(line, device);
  }
  return { own, ofAddresses };
}

/** keepalived.conf(5), use_vmac_addr: other interfaces, and the other family; `use_vmac` of an address in any case but the instance's own device. */
function wantsDevice(
  line: VirtualAddressLine,
  values: InstanceValues,
  sameBase: boolean,
  sameFamily: boolean,
): boolean {
  if (sameBase && sameFamily) return line.useVmac && values.use_vmac === undefined && values.use_ipvlan === undefined;
  return line.useVmac || values.use_vmac_addr !== undefined;
}

function ownDevice(
  values: InstanceValues,
  vrid: number,
  ofFamily: Family,
  generatedName: () => string,
): VirtualMacConfig | undefined {
  if (values.use_ipvlan !== undefined) {
    const { name, address, mode } = values.use_ipvlan.value;
    return {
      kind: "ipvlan",
      name: name ?? generatedName(),
      hardwareAddress: undefined,
      ipvlanMode: mode,
      ipvlanAddress: address,
      transmitFromBase: values.vmac_xmit_base !== undefined,
    };
  }
  if (values.use_vmac === undefined) return undefined;
  const { name, hardwareAddress } = values.use_vmac.value;
  return macvlan(name ?? generatedName(), completed(hardwareAddress, vrid) ?? standardMac(ofFamily, vrid), values);
}

function macvlan(name: string, hardwareAddress: readonly number[], values: InstanceValues): VirtualMacConfig {
  return {
    kind: "macvlan",
    name,
    hardwareAddress,
    ipvlanMode: undefined,
    ipvlanAddress: undefined,
    transmitFromBase: values.vmac_xmit_base !== undefined,
  };
}

const HARDWARE_ADDRESS_BYTES = 6;
const completed = (bytes: readonly number[] | undefined, vrid: number): readonly number[] | undefined =>
  bytes === undefined || bytes.length === HARDWARE_ADDRESS_BYTES ? bytes : [...bytes, vrid];

/** RFC 9568 7.3 */
const standardMac = (ofFamily: Family, vrid: number): readonly number[] => [
  0,
  0,
  0x5e,
  0,
  ofFamily === 4 ? 1 : 2,
  vrid,
];

/** `vrrp.51`, `vrrp6.51`, and `vrrp.51.2` where that is taken: the same number on another interface. */
function freeName(prefix: string, ofFamily: Family, vrid: number, taken: Set<string>): string {
  const first = `${prefix}${ofFamily === 4 ? "" : "6"}.${vrid}`;
  let name = first;
  for (let count = 2; taken.has(name); count++) name = `${first}.${count}`;
  taken.add(name);
  return name;
}
