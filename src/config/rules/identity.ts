import { familyOf, interfaceOf, isUnicast } from "../build/effective.ts";
import { multicastGroupOf } from "../build/instance.ts";
import type { ParsedGlobal, ParsedInstance } from "../build/parsed.ts";
import type { SourceSpan } from "../types.ts";
import { type FileRule, reportRepeated } from "./rule.ts";

/** What tells instances apart, here and on the network. */

const namesDiffer: FileRule = ({ file }, found) => {
  const blocks = [
    ["vrrp_instance", file.vrrp_instance],
    ["vrrp_sync_group", file.vrrp_sync_group],
    ["vrrp_script", file.vrrp_script],
    ["vrrp_track_process", file.vrrp_track_process],
    ["track_file", file.track_file],
    ["track_group", file.track_group],
  ] as const;
  for (const [keyword, defined] of blocks) {
    const places: readonly { readonly header: string; readonly at: SourceSpan }[] = defined;
    reportRepeated(
      places,
      ({ header }) => header,
      ({ header, at }, first) => {
        const message = `${keyword} ${header} is defined already in line ${first.at.line}`;
        if (keyword === "vrrp_instance")
          found.error("duplicate-instance", at, message, "give each instance a name of its own");
        else found.error("duplicate-name", at, message, "give each of them a name of its own");
      },
    );
  }
};

/**
 * RFC 3768 5.3.3: a VRID identifies a virtual router on its network. keepalived.conf(5): it may be used again for the other
 * family, for another multicast group, and for unicast instances that have no peer in common.
 */
const virtualRouterIdsDiffer: FileRule = ({ file, global }, found) => {
  const earlier: ParsedInstance[] = [];
  for (const instance of file.vrrp_instance) {
    const vrid = instance.values.virtual_router_id;
    const other = earlier.find((each) => sharesIdentity(each, instance, global));
    earlier.push(instance);
    if (vrid === undefined || other === undefined) continue;
    const common = commonPeer(other, instance);
    const message = `virtual_router_id ${vrid.value} is used on ${interfaceOf(instance.values, global)} already by vrrp_instance ${other.header}${common === undefined ? "" : `, with the same peer ${common}`}`;
    found.error(
      "duplicate-virtual-router-id",
      vrid.at,
      message,
      "choose a number that no other instance on this interface has",
    );
  }
};

function sharesIdentity(one: ParsedInstance, other: ParsedInstance, global: ParsedGlobal): boolean {
  const [a, b] = [one.values, other.values];
  const device = interfaceOf(a, global);
  if (device === undefined || device !== interfaceOf(b, global)) return false;
  if (a.virtual_router_id === undefined || a.virtual_router_id.value !== b.virtual_router_id?.value) return false;
  if (familyOf(a) !== familyOf(b) || isUnicast(a) !== isUnicast(b)) return false;
  if (isUnicast(a)) return commonPeer(one, other) !== undefined;
  return multicastGroupOf(a, global) === multicastGroupOf(b, global);
}

function commonPeer(one: ParsedInstance, other: ParsedInstance): string | undefined {
  const peers = new Set(one.values.unicast_peer.map(({ value }) => value.address));
  return other.values.unicast_peer.find(({ value }) => peers.has(value.address))?.value.address;
}

export const IDENTITY_RULES: readonly FileRule[] = [namesDiffer, virtualRouterIdsDiffer];
