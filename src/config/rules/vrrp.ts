import type { DiagnosticList } from "../diagnostics.ts";
import { ADDRESS_RULES, addressesDiffer } from "./addresses.ts";
import { BLOCK_RULES } from "./blocks.ts";
import { ELECTION_RULES } from "./election.ts";
import { IDENTITY_RULES } from "./identity.ts";
import type { FileRule, InstanceRule, Parsed } from "./rule.ts";
import { STRICT_RULES } from "./strict.ts";
import { SYNC_GROUP_RULES } from "./syncGroups.ts";
import { TRACKING_RULES } from "./tracking.ts";
import { TRANSPORT_RULES } from "./transport.ts";
import { VIRTUAL_MAC_RULES } from "./virtualMac.ts";

const INSTANCE_RULES: readonly InstanceRule[] = [
  ...ELECTION_RULES,
  ...ADDRESS_RULES,
  ...TRANSPORT_RULES,
  ...VIRTUAL_MAC_RULES,
  ...STRICT_RULES,
];

const FILE_RULES: readonly FileRule[] = [
  ...IDENTITY_RULES,
  addressesDiffer,
  ...TRACKING_RULES,
  ...SYNC_GROUP_RULES,
  ...BLOCK_RULES,
];

/** Everything that VRRP's keywords owe each other. */
export function checkVrrpRules(parsed: Parsed, found: DiagnosticList): void {
  for (const instance of parsed.file.vrrp_instance) {
    for (const rule of INSTANCE_RULES) rule(instance, parsed.global, found);
  }
  for (const rule of FILE_RULES) rule(parsed, found);
}
