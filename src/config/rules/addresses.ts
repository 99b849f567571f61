import { family, type Ip, inSubnet, ip } from "../../core/ip.ts";
import { familyOf, interfaceOf, isStrict, staticInterface } from "../build/effective.ts";
import type { ParsedInstance } from "../build/parsed.ts";
import { type FileRule, type InstanceRule, reportRepeated } from "./rule.ts";

/** The addresses of instances. */

const LINK_LOCAL = ip("fe80::");
const LINK_LOCAL_PREFIX = 10;
/** RFC 4291 2.5.6 */
export const isLinkLocal = (address: Ip): boolean => inSubnet(address, LINK_LOCAL, LINK_LOCAL_PREFIX);

const addressesAreThere: InstanceRule = (instance, global, found) => {
  const { header, at, values, seen } = instance;
  if (values.virtual_ipaddress.length > 0) return;
  // Lines that were refused are no missing lines; an empty block is.
  if (seen.has("virtual_ipaddress") && found.hasErrors) return;
  const remedy = "add virtual_ipaddress { ... } with the addresses that the master holds";
  if (isStrict(values, global)) {
    found.error(
      "strict-no-address",
      at,
      `vrrp_instance ${header} has no virtual address, which strict mode does not allow`,
      remedy,
    );
  } else if (values.virtual_ipaddress_excluded.length > 0) {
    const message = `vrrp_instance ${header} has no address in its adverts, only excluded ones: its routers cannot tell that they mean the same`;
    found.warning("no-virtual-address", at, message, "move one of them into virtual_ipaddress, on all routers");
  } else {
    found.warning(
      "no-virtual-address",
      at,
      `vrrp_instance ${header} has no virtual address: it elects a master of nothing`,
      remedy,
    );
  }
};

/** RFC 3768 5.3.5, RFC 9568 5.2.5: the number of addresses is one octet. */
const ADDRESSES_MAX = 255;

const addressesFitTheAdvert: InstanceRule = ({ header, values }, _global, found) => {
  const first = values.virtual_ipaddress[ADDRESSES_MAX];
  if (first === undefined) return;
  const message = `vrrp_instance ${header} has ${values.virtual_ipaddress.length} addresses; an advert carries at most ${ADDRESSES_MAX}`;
  found.error("too-many-addresses", first.at, message, "move the others into virtual_ipaddress_excluded");
};

/** Ethernet's MTU less the headers of IPv6 (40 bytes) and VRRP (8), in addresses of 16 bytes. IPv4 always fits. */
const ADDRESSES_UNFRAGMENTED_IPV6 = 90;

const advertIsNotFragmented: InstanceRule = ({ header, values }, _global, found) => {
  const first = values.virtual_ipaddress[ADDRESSES_UNFRAGMENTED_IPV6];
  if (first === undefined || familyOf(values) !== 6 || values.virtual_ipaddress.length > ADDRESSES_MAX) return;
  const message = `vrrp_instance ${header} has ${values.virtual_ipaddress.length} IPv6 addresses: from ${ADDRESSES_UNFRAGMENTED_IPV6 + 1} on its adverts are longer than an Ethernet frame and travel in pieces`;
  found.warning("advert-fragmented", first.at, message, "move some of them into virtual_ipaddress_excluded");
};

/** keepalived.conf(5): "all addresses in virtual_ipaddress must be of the same family" */
const addressesAreOfOneFamily: InstanceRule = ({ values }, _global, found) => {
  const [first] = values.virtual_ipaddress;
  if (first === undefined) return;
  const wanted = family(first.value.address);
  for (const { value, at } of values.virtual_ipaddress) {
    if (family(value.address) === wanted) continue;
    const message = `virtual_ipaddress: ${value.address} is not an IPv${wanted} address as ${first.value.address} is; an advert carries one family`;
    found.error(
      "family-mismatch",
      at,
      message,
      "move it into virtual_ipaddress_excluded, or into an instance of its own with the same virtual_router_id",
    );
  }
  if (values.native_ipv6 === undefined || wanted === 6) return;
  const message = `native_ipv6: ${first.value.address} is an IPv4 address`;
  found.error("family-mismatch", values.native_ipv6.at, message, "remove native_ipv6");
};

/** RFC 9568 5.2.9: "the first address MUST be the IPv6 link-local address associated with the Virtual Router". */
const firstIpv6IsLinkLocal: InstanceRule = ({ header, values }, global, found) => {
  const [first] = values.virtual_ipaddress;
  if (first === undefined || isStrict(values, global)) return;
  if (family(first.value.address) !== 6 || isLinkLocal(first.value.address)) return;
  const message = `vrrp_instance ${header}: RFC 9568 wants a link-local address (fe80::/10) as the first of an IPv6 virtual router; hosts take it as their gateway, and strict routers refuse adverts without one`;
  found.warning("trap-link-local", first.at, message, "write one before the others, the same on all routers");
};

/** ip-address(8): a label is the device's name, or begins with it and a colon. The kernel does not insist. */
const labelsNameTheDevice: InstanceRule = (instance, global, found) => {
  for (const { value } of linesOf(instance)) {
    const device = value.device ?? interfaceOf(instance.values, global);
    const { label } = value.words;
    if (value.label === undefined || label === undefined || device === undefined) continue;
    if (value.label === device || value.label.startsWith(`${device}:`)) continue;
    const message = `label: ${value.label} does not begin with its device and a colon (${device}:), so ifconfig and its like do not show it`;
    found.warning("label-not-of-device", label.at, message, `write for example label ${device}:1`);
  }
};

const linesOf = ({ values }: ParsedInstance) => [...values.virtual_ipaddress, ...values.virtual_ipaddress_excluded];

/** One instance decides who holds an address; a static one stays on the host whatever is decided. */
export const addressesDiffer: FileRule = ({ file, global }, found) => {
  const ofInstances = file.vrrp_instance.flatMap((instance) =>
    linesOf(instance).map(({ value, at }) => ({
      owner: `vrrp_instance ${instance.header}`,
      key: `${value.address} ${value.device ?? interfaceOf(instance.values, global) ?? ""}`,
      address: value.address,
      at,
    })),
  );
  const ofHost = file.static_ipaddress.map(({ value, at }) => ({
    owner: "static_ipaddress",
    key: `${value.address} ${value.device ?? staticInterface(global)}`,
    address: value.address,
    at,
  }));
  reportRepeated(
    [...ofInstances, ...ofHost],
    ({ key }) => key,
    ({ address, at }, first) => {
      found.error(
        "duplicate-address",
        at,
        `${address} is listed already in line ${first.at.line}, in ${first.owner}`,
        "list it once: one instance decides who holds it",
      );
    },
  );
};

export const ADDRESS_RULES: readonly InstanceRule[] = [
  addressesAreThere,
  addressesFitTheAdvert,
  advertIsNotFragmented,
  addressesAreOfOneFamily,
  firstIpv6IsLinkLocal,
  labelsNameTheDevice,
];
