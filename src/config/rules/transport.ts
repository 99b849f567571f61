import { type Family, family, type Ip } from "../../core/ip.ts";
import { familyOf, isUnicast, versionOf } from "../build/effective.ts";
import { PASSWORD_BYTES } from "../build/instance.ts";
import type { InstanceValues } from "../build/parsed.ts";
import { utf8Bytes } from "../keywords/kinds.ts";
import type { Written } from "../keywords/row.ts";
import { type InstanceRule, reportRepeated } from "./rule.ts";

/** How adverts travel. */

const UNICAST_KEYWORDS = ["unicast_src_ip", "unicast_ttl", "check_unicast_src"] as const;

/** keepalived falls back on multicast then, and says that this will end. */
const unicastHasPeers: InstanceRule = ({ header, values, seen }, _global, found) => {
  if (isUnicast(values)) return;
  // Lines that were refused are no missing lines.
  if (seen.has("unicast_peer") && found.hasErrors) return;
  for (const keyword of UNICAST_KEYWORDS) {
    const written = values[keyword];
    if (written === undefined) continue;
    found.error(
      "unicast-without-peer",
      written.at,
      `${keyword} is for unicast, but vrrp_instance ${header} has no unicast_peer`,
      keyword === "unicast_src_ip"
        ? "add unicast_peer { ... }, or unicast_fault_no_peer; for multicast write mcast_src_ip"
        : "add unicast_peer { ... }, or unicast_fault_no_peer; for multicast remove it",
    );
  }
};

const unicastIsNotMulticast: InstanceRule = ({ header, values }, _global, found) => {
  if (!isUnicast(values)) return;
  for (const [keyword, remedy] of [
    ["mcast_dst_ip", "keep one of them"],
    ["mcast_src_ip", "write unicast_src_ip"],
  ] as const) {
    const written = values[keyword];
    if (written === undefined) continue;
    found.error("contradiction", written.at, `${keyword} contradicts the unicast of vrrp_instance ${header}`, remedy);
  }
};

const addressesOfAdvertsAreOfTheFamily: InstanceRule = ({ values }, _global, found) => {
  const wanted = familyOf(values);
  const single = ["mcast_src_ip", "unicast_src_ip", "mcast_dst_ip"] as const;
  const ofOther = (keyword: string, written: Written<unknown>, address: Ip, because: Family): void =>
    found.error(
      "family-mismatch",
      written.at,
      `${keyword}: ${address} is no IPv${because} address, but the virtual addresses are`,
      `write an IPv${because} address`,
    );
  for (const keyword of single) {
    const written = values[keyword];
    if (written !== undefined && family(written.value) !== wanted) ofOther(keyword, written, written.value, wanted);
  }
  for (const peer of values.unicast_peer) {
    if (family(peer.value.address) !== wanted) ofOther("unicast_peer", peer, peer.value.address, wanted);
  }
};

const peersDiffer: InstanceRule = ({ values }, _global, found) => {
  reportRepeated(
    values.unicast_peer,
    ({ value }) => value.address,
    ({ value, at }, first) => {
      const message = `unicast_peer: ${value.address} is listed already in line ${first.at.line}`;
      found.error("duplicate-peer", at, message, "list it once");
    },
  );
};

const ownAddressIsNoPeer: InstanceRule = ({ values }, _global, found) => {
  const own = values.unicast_src_ip;
  if (own === undefined) return;
  for (const { value, at } of values.unicast_peer) {
    if (value.address !== own.value) continue;
    const message = `unicast_peer: ${value.address} is this router's own unicast_src_ip`;
    found.error("peer-is-self", at, message, "list the other routers only");
  }
};

const trackedSourceIsWritten: InstanceRule = ({ values }, _global, found) => {
  if (values.track_src_ip === undefined || (values.mcast_src_ip ?? values.unicast_src_ip) !== undefined) return;
  const message = "track_src_ip has no source address to track: neither mcast_src_ip nor unicast_src_ip is written";
  found.warning("no-source-to-track", values.track_src_ip.at, message, "write the source address, or remove it");
};

const passwordIsUsable: InstanceRule = ({ header, values }, global, found) => {
  const authentication = values.authentication.at(-1);
  if (authentication === undefined) return;
  const { auth_pass } = authentication.values;
  if (versionOf(values, global) === 3) {
    const message = `vrrp_instance ${header}: VRRP version 3 has no authentication`;
    const remedy = "remove it on all routers; on a network that cannot be trusted use unicast_peer with min_ttl 255";
    found.error("authentication-version", authentication.at, message, remedy);
  } else if (auth_pass === undefined) {
    // One that was refused is not missing.
    if (authentication.seen.has("auth_pass")) return;
    const message = `the authentication of vrrp_instance ${header} has no auth_pass`;
    found.error("missing-keyword", authentication.at, message, "add it, for example: auth_pass secret12");
  } else if (utf8Bytes(auth_pass.value) > PASSWORD_BYTES) {
    const message = `auth_pass: only the first ${PASSWORD_BYTES} characters count, as in keepalived`;
    found.warning("password-truncated", auth_pass.at, message, `write ${PASSWORD_BYTES} characters`);
  }
};

const checksumFormCounts: InstanceRule = ({ header, values }, global, found) => {
  const { v3_checksum: form } = values;
  if (!form.written || !cannotDiffer(values, versionOf(values, global))) return;
  const message = `v3_checksum has no effect in vrrp_instance ${header}: only IPv4 adverts of version 3 have two forms`;
  found.warning("checksum-form-ignored", form.at, message, "remove it, or write version 3");
};

const cannotDiffer = (values: InstanceValues, version: 2 | 3): boolean => version === 2 || familyOf(values) === 6;

export const TRANSPORT_RULES: readonly InstanceRule[] = [
  unicastHasPeers,
  unicastIsNotMulticast,
  addressesOfAdvertsAreOfTheFamily,
  peersDiffer,
  ownAddressIsNoPeer,
  trackedSourceIsWritten,
  passwordIsUsable,
  checksumFormCounts,
];
