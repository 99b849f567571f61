import { family } from "../core/ip.ts";
import { toSeconds, US_PER_SECOND } from "../core/units.ts";
import { effectivePriority, isStrict, nopreemptCounts, type ParsedGlobal, type ParsedInstance } from "./build.ts";
import type { DiagnosticList } from "./diagnostics.ts";
import { OWNER_PRIORITY, vrrpInstanceTable } from "./keywords/vrrpInstance.ts";
import type { SourceSpan } from "./types.ts";

/** Rules between the keywords of VRRP instances. Each is one function and one sentence. */

export interface VrrpRuleInput {
  readonly instances: readonly ParsedInstance[];
  readonly global: ParsedGlobal;
}

type InstanceRule = (instance: ParsedInstance, global: ParsedGlobal, found: DiagnosticList) => void;

export function checkVrrpRules({ instances, global }: VrrpRuleInput, found: DiagnosticList): void {
  for (const instance of instances) for (const rule of INSTANCE_RULES) rule(instance, global, found);
  namesDiffer(instances, found);
  virtualRouterIdsDiffer(instances, found);
  addressesDiffer(instances, found);
}

function requiredKeywordsAreWritten(
  { header, at, seen }: ParsedInstance,
  _global: ParsedGlobal,
  found: DiagnosticList,
): void {
  for (const keyword of ["interface", "virtual_router_id"] as const) {
    if (seen.has(keyword)) continue;
    const { example } = vrrpInstanceTable.rows[keyword];
    found.error("missing-keyword", at, `vrrp_instance ${header} has no ${keyword}`, `add it, for example: ${example}`);
  }
}

/** RFC 3768 5.3.7: the field of the advert has whole seconds from 1 to 255. */
function advertIntervalIsWholeSeconds(
  { values: { advert_int } }: ParsedInstance,
  _global: ParsedGlobal,
  found: DiagnosticList,
): void {
  if (advert_int.value % US_PER_SECOND === 0 && advert_int.value >= US_PER_SECOND) return;
  const message = `advert_int: ${toSeconds(advert_int.value)} is not a whole number of seconds, and VRRP version 2 carries nothing else`;
  found.error(
    "out-of-range",
    advert_int.at,
    message,
    "write whole seconds from 1 to 255; shorter intervals need version 3, which is not implemented yet",
  );
}

function addressesAreThere(instance: ParsedInstance, global: ParsedGlobal, found: DiagnosticList): void {
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
  } else {
    found.warning(
      "no-virtual-address",
      at,
      `vrrp_instance ${header} has no virtual address: it elects a master of nothing`,
      remedy,
    );
  }
}

/** RFC 3768 5.3.5: Count IP Addrs is one octet. */
const ADDRESSES_MAX = 255;

function addressesFitTheAdvert({ header, values }: ParsedInstance, _global: ParsedGlobal, found: DiagnosticList): void {
  const first = values.virtual_ipaddress[ADDRESSES_MAX];
  if (first === undefined) return;
  const message = `vrrp_instance ${header} has ${values.virtual_ipaddress.length} addresses; an advert carries at most ${ADDRESSES_MAX}`;
  found.error(
    "too-many-addresses",
    first.at,
    message,
    "divide them among several instances with virtual_router_ids of their own",
  );
}

function addressesAreIpv4({ values }: ParsedInstance, _global: ParsedGlobal, found: DiagnosticList): void {
  for (const { value, at } of values.virtual_ipaddress) {
    if (family(value.address) === 4) continue;
    const message = `virtual_ipaddress: ${value.address} is an IPv6 address, which needs VRRP version 3; that is not implemented yet`;
    found.error("not-implemented", at, message, "leave IPv6 addresses out, or keep this instance with keepalived");
  }
}

/** ip-address(8): a label is the device's name, or begins with it and a colon. The kernel does not insist. */
function labelsNameTheDevice({ values }: ParsedInstance, _global: ParsedGlobal, found: DiagnosticList): void {
  for (const { value } of values.virtual_ipaddress) {
    const device = value.device ?? values.interface?.value;
    const { label } = value.words;
    if (value.label === undefined || label === undefined || device === undefined) continue;
    if (value.label === device || value.label.startsWith(`${device}:`)) continue;
    const message = `label: ${value.label} does not begin with its device and a colon (${device}:), so ifconfig and its like do not show it`;
    found.warning("label-not-of-device", label.at, message, `write for example label ${device}:1`);
  }
}

function preemptionIsSaidOnce({ values }: ParsedInstance, _global: ParsedGlobal, found: DiagnosticList): void {
  if (values.preempt === undefined || values.nopreempt === undefined) return;
  found.error("contradiction", values.nopreempt.at, "nopreempt and preempt contradict each other", "keep one of them");
}

function nopreemptHasAnEffect({ header, values }: ParsedInstance, _global: ParsedGlobal, found: DiagnosticList): void {
  if (values.nopreempt === undefined || nopreemptCounts(values)) return;
  const because =
    effectivePriority(values) === OWNER_PRIORITY
      ? `priority ${OWNER_PRIORITY} always preempts`
      : "it does not count with state MASTER";
  found.warning(
    "nopreempt-ignored",
    values.nopreempt.at,
    `nopreempt has no effect in vrrp_instance ${header}: ${because}`,
    "write state BACKUP and a priority below 255, or remove nopreempt",
  );
}

function masterWithoutPriorityIsOwner(
  { header, values }: ParsedInstance,
  _global: ParsedGlobal,
  found: DiagnosticList,
): void {
  if (values.priority.written || effectivePriority(values) !== OWNER_PRIORITY) return;
  const message = `vrrp_instance ${header} has state MASTER and no priority: as in keepalived that means ${OWNER_PRIORITY}, the owner of the addresses`;
  found.warning("owner-by-state", values.state.at, message, "write the priority that is meant");
}

/** keepalived.conf(5), vrrp_strict: "State MASTER can be configured if and only if priority is 255". */
function strictStateMatchesPriority(
  { header, values }: ParsedInstance,
  global: ParsedGlobal,
  found: DiagnosticList,
): void {
  if (!isStrict(values, global)) return;
  const priority = effectivePriority(values);
  if ((values.state.value === "MASTER") === (priority === OWNER_PRIORITY)) return;
  const message = `vrrp_instance ${header}: strict mode wants state MASTER with priority ${OWNER_PRIORITY} and with no other; state ${values.state.value} with priority ${priority} begins as ${priority === OWNER_PRIORITY ? "MASTER" : "BACKUP"}`;
  found.warning(
    "strict-state",
    values.state.written ? values.state.at : values.priority.at,
    message,
    priority === OWNER_PRIORITY ? "write state MASTER" : "write state BACKUP",
  );
}

/** keepalived.conf(5), vrrp_strict: "Gratuitous ARP repeats cannot be enabled". */
function strictHasNoRefresh({ header, values, at }: ParsedInstance, global: ParsedGlobal, found: DiagnosticList): void {
  if (!isStrict(values, global)) return;
  const refresh = values.garp_master_refresh ?? global.vrrp_garp_master_refresh;
  if (refresh.value === 0) return;
  const place: SourceSpan = refresh.written ? refresh.at : at;
  found.error(
    "strict-garp-refresh",
    place,
    `vrrp_instance ${header}: strict mode does not allow repeated gratuitous ARP`,
    "set garp_master_refresh 0, or strict_mode off",
  );
}

const INSTANCE_RULES: readonly InstanceRule[] = [
  requiredKeywordsAreWritten,
  advertIntervalIsWholeSeconds,
  addressesAreThere,
  addressesFitTheAdvert,
  addressesAreIpv4,
  labelsNameTheDevice,
  preemptionIsSaidOnce,
  nopreemptHasAnEffect,
  masterWithoutPriorityIsOwner,
  strictStateMatchesPriority,
  strictHasNoRefresh,
];

function namesDiffer(instances: readonly ParsedInstance[], found: DiagnosticList): void {
  reportRepeated(
    instances,
    ({ header }) => header,
    ({ header, at }, first) => {
      found.error(
        "duplicate-instance",
        at,
        `vrrp_instance ${header} is defined already in line ${first.at.line}`,
        "give each instance a name of its own",
      );
    },
  );
}

/** RFC 3768 5.3.3: a VRID identifies a virtual router on its network. */
function virtualRouterIdsDiffer(instances: readonly ParsedInstance[], found: DiagnosticList): void {
  const numbered = instances.flatMap(({ header, values }) =>
    values.interface === undefined || values.virtual_router_id === undefined
      ? []
      : [{ header, interface: values.interface.value, vrid: values.virtual_router_id }],
  );
  reportRepeated(
    numbered,
    (each) => `${each.interface} ${each.vrid.value}`,
    (each, first) => {
      const message = `virtual_router_id ${each.vrid.value} is used on ${each.interface} already by vrrp_instance ${first.header}`;
      found.error(
        "duplicate-virtual-router-id",
        each.vrid.at,
        message,
        "choose a number that no other instance on this interface has",
      );
    },
  );
}

function addressesDiffer(instances: readonly ParsedInstance[], found: DiagnosticList): void {
  const all = instances.flatMap(({ header, values }) =>
    values.virtual_ipaddress.map(({ value, at }) => ({
      header,
      key: `${value.address} ${value.device ?? values.interface?.value ?? ""}`,
      address: value.address,
      at,
    })),
  );
  reportRepeated(
    all,
    ({ key }) => key,
    ({ address, at }, first) => {
      found.error(
        "duplicate-address",
        at,
        `${address} is listed already in line ${first.at.line}, in vrrp_instance ${first.header}`,
        "list it once: one instance decides who holds it",
      );
    },
  );
}

/** Calls `report` for every item whose key an earlier item has, with that first one. */
export function reportRepeated<Item>(
  items: readonly Item[],
  key: (item: Item) => string,
  report: (item: Item, first: Item) => void,
): void {
  const firsts = new Map<string, Item>();
  for (const item of items) {
    const first = firsts.get(key(item));
    if (first === undefined) firsts.set(key(item), item);
    else report(item, first);
  }
}
