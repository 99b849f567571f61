import { family } from "../../core/ip.ts";
import { familyOf, isUnicast } from "../build/effective.ts";
import type { InstanceRule } from "./rule.ts";

/** Devices of our own. */

const oneKindOfDevice: InstanceRule = ({ values }, _global, found) => {
  if (values.use_vmac === undefined || values.use_ipvlan === undefined) return;
  found.error(
    "contradiction",
    values.use_ipvlan.at,
    "use_ipvlan and use_vmac contradict each other",
    "keep one of them",
  );
};

const baseHasADevice: InstanceRule = ({ header, values }, _global, found) => {
  const { vmac_xmit_base, use_vmac, use_ipvlan } = values;
  if (vmac_xmit_base === undefined || use_vmac !== undefined || use_ipvlan !== undefined) return;
  const message = `vmac_xmit_base says nothing, because vrrp_instance ${header} has no virtual MAC`;
  found.error("vmac-without-device", vmac_xmit_base.at, message, "add use_vmac, or remove it");
};

/** keepalived.conf(5), use_vmac: "If using use_vmac with unicast peers, vmac_xmit_base must be set." */
const unicastLeavesByTheBase: InstanceRule = ({ header, values }, _global, found) => {
  if (values.use_vmac === undefined || values.vmac_xmit_base !== undefined || !isUnicast(values)) return;
  const message = `vrrp_instance ${header}: unicast with use_vmac needs vmac_xmit_base, because answers come to the host's own MAC`;
  found.error("vmac-unicast", values.use_vmac.at, message, "add vmac_xmit_base");
};

/** keepalived.conf(5), use_ipvlan: "For IPv4 instances, an IP address is required" */
const ipvlanHasAnAddress: InstanceRule = ({ header, values }, _global, found) => {
  if (values.use_ipvlan === undefined) return;
  const { address } = values.use_ipvlan.value;
  const wanted = familyOf(values);
  if (address === undefined) {
    if (wanted === 6) return;
    const message = `vrrp_instance ${header}: an ipvlan device of an IPv4 instance needs an address of its own to send from`;
    found.error("missing-value", values.use_ipvlan.at, message, "write it so: use_ipvlan ipv51 10.0.2.3/24");
  } else if (family(address.address) !== wanted) {
    const message = `use_ipvlan: ${address.address} is no IPv${wanted} address, but the virtual addresses are`;
    found.error("family-mismatch", values.use_ipvlan.at, message, `write an IPv${wanted} address`);
  }
};

export const VIRTUAL_MAC_RULES: readonly InstanceRule[] = [
  oneKindOfDevice,
  baseHasADevice,
  unicastLeavesByTheBase,
  ipvlanHasAnAddress,
];
