import type { SyncGroupConfig, VrrpConfig, VrrpInstanceConfig } from "../../../src/config/vrrp.types.ts";
import { type Family, type Ip, ip } from "../../../src/core/ip.ts";
import { type DurationUs, durationUs, seconds } from "../../../src/core/units.ts";
import { instanceConfig, vipConfig, vrrpConfig } from "../../lab/vrrpConfig.ts";
import type { Dice } from "../dice.ts";
import type { WorldOptions } from "./options.ts";

/** One virtual router of a world: what all its members share. */
export interface InstancePlan {
  readonly name: string;
  readonly segment: number;
  readonly version: 2 | 3;
  readonly family: Family;
  readonly virtualRouterId: number;
  readonly advertInterval: DurationUs;
  readonly downTimerAdverts: number;
  readonly vips: readonly { readonly cidr: string; readonly excluded: boolean }[];
  readonly unicast: boolean;
  readonly password: string | undefined;
  readonly group: string | undefined;
  readonly trackers: readonly TrackPlan[];
  /** By router; undefined = not configured there. */
  readonly members: readonly (MemberPlan | undefined)[];
}

export interface MemberPlan {
  readonly priority: number;
  readonly nopreempt: boolean;
  readonly preemptDelay: DurationUs;
}

export interface TrackPlan {
  readonly name: string;
  readonly kind: "script" | "file" | "process";
  readonly weight: number;
  readonly reverse: boolean;
}

export interface WorldPlan {
  readonly instances: readonly InstancePlan[];
  readonly trackers: readonly Pick<TrackPlan, "name" | "kind">[];
}

export const routerName = (router: number): string => `r${router + 1}`;
export const interfaceName = (segment: number): string => `eth${segment}`;
export const segmentOf = (device: string): number => Number(device.slice("eth".length));

interface OwnAddress {
  readonly ip: Ip;
  readonly prefixLength: number;
}

/** By segment, then by router: asked for with nearly every advert. */
const OWN_ADDRESSES: (readonly OwnAddress[])[][] = [];

/** What an interface has of its own: an IPv4 address, a link-local one, and a global IPv6 one. */
export function ownAddresses(router: number, segment: number): readonly OwnAddress[] {
  OWN_ADDRESSES[segment] ??= [];
  const ofSegment = OWN_ADDRESSES[segment];
  ofSegment[router] ??= [
    { ip: ip(`10.${segment}.0.${router + 1}`), prefixLength: 24 },
    { ip: ip(`fe80::${segment}:${router + 1}`), prefixLength: 64 },
    { ip: ip(`2001:db8:${segment}::${router + 1}`), prefixLength: 64 },
  ];
  return ofSegment[router];
}

/** Where a router sends from while its interfaces have what they were given. */
export function sourceAddress(router: number, config: Pick<VrrpInstanceConfig, "interface" | "family">): Ip {
  return ownAddress(router, segmentOf(config.interface), config.family);
}

function ownAddress(router: number, segment: number, family: Family): Ip {
  return ownAddresses(router, segment)[family === 4 ? 0 : 1]?.ip as Ip;
}

/** The world's virtual routers, as they are configured at its beginning and at rest. */
export function drawPlan(options: WorldOptions, dice: Dice): WorldPlan {
  const trackers = Array.from({ length: options.trackers }, (_, at) => ({
    name: `t${at + 1}`,
    kind: dice.pick(["script", "file", "process"] as const),
  }));
  const groups = Array.from({ length: options.groups }, (_, at) => ({
    name: `G${at + 1}`,
    members: drawMembers(options, dice),
  }));
  const instances = Array.from({ length: options.instances }, (_, at) => {
    // The first two of each group come first, so that no group is left with one.
    const group =
      at < 2 * groups.length ? groups[at >> 1] : dice.chance(0.3) ? groups[dice.integer(0, groups.length)] : undefined;
    return drawInstance(at, options, dice, trackers, group);
  });
  return { instances, trackers };
}

function drawInstance(
  at: number,
  options: WorldOptions,
  dice: Dice,
  trackers: WorldPlan["trackers"],
  group: { readonly name: string; readonly members: InstancePlan["members"] } | undefined,
): InstancePlan {
  const version3 = dice.chance(options.version3);
  const family = version3 && dice.chance(options.ipv6) ? 6 : 4;
  const segment = dice.integer(0, options.segments - 1);
  const version = version3 ? 3 : 2;
  const members = group?.members ?? drawMembers(options, dice);
  return {
    name: `V${at + 1}`,
    segment,
    version,
    family,
    // The same number on two LANs and in two families is two virtual routers.
    virtualRouterId: 1 + (at % 200),
    advertInterval: version === 2 ? seconds(dice.pick([1, 1, 1, 2, 3])) : drawInterval(options, dice),
    downTimerAdverts: dice.chance(options.downTimers) ? dice.integer(2, 6) : 3,
    vips: drawVips({ at, family, segment }, options, dice),
    unicast: dice.chance(options.unicast),
    password: version === 2 && dice.chance(options.authentication) ? `pw${at}` : undefined,
    group: group?.name,
    trackers: dice.chance(options.tracking) && group === undefined ? drawTracking(trackers, dice) : [],
    members,
  };
}

function drawInterval({ intervalMin }: WorldOptions, dice: Dice): DurationUs {
  const hundredths = dice.pick([1, 10, 20, 25, 50, 100, 100, 150, 200, 4095]);
  const interval = hundredths * 10_000;
  return interval < intervalMin || interval > 3e6 ? seconds(1) : durationUs(interval);
}

function drawMembers(options: WorldOptions, dice: Dice): (MemberPlan | undefined)[] {
  const members: (MemberPlan | undefined)[] = Array.from({ length: options.routers }, () =>
    dice.chance(0.15)
      ? undefined
      : {
          priority: dice.integer(1, 254),
          nopreempt: dice.chance(options.nopreempt),
          preemptDelay: dice.chance(options.preemptDelay) ? seconds(dice.integer(1, 20)) : seconds(0),
        },
  );
  const base = dice.integer(1, 254);
  if (dice.chance(options.equalPriorities)) {
    for (const [router, member] of members.entries())
      if (member !== undefined) members[router] = { ...member, priority: base };
  }
  // An owner and a sync group of others do not go together: it is MASTER while they have not voted.
  return members;
}

function drawVips(
  { at, family, segment }: { readonly at: number; readonly family: Family; readonly segment: number },
  options: WorldOptions,
  dice: Dice,
): InstancePlan["vips"] {
  const count = dice.pick([1, 1, 2, 3]);
  const own = dice.chance(0.5);
  const cidr = (number: number): string => {
    if (family === 4)
      return own ? `10.${segment}.0.${50 + at * 4 + number}/24` : `172.${16 + segment}.${at}.${number + 1}/24`;
    if (number === 0) return `fe80::${segment}:ff:${at + 1}/64`;
    return own ? `2001:db8:${segment}::1:${at * 4 + number}/64` : `2001:db8:${segment}:${at + 1}::${number}/64`;
  };
  return Array.from({ length: count }, (_, number) => ({
    cidr: cidr(number),
    excluded: number > 0 && dice.chance(options.excluded),
  }));
}

function drawTracking(trackers: WorldPlan["trackers"], dice: Dice): TrackPlan[] {
  return (
    trackers
      .filter(() => dice.chance(0.4))
      .map((tracker) => ({ ...tracker, weight: dice.pick([0, -20, -60, 10, 40]), reverse: dice.chance(0.2) }))
      // Reversed and without a weight: in FAULT while everything is as it should be.
      .map((tracker) => ({ ...tracker, reverse: tracker.reverse && tracker.weight !== 0 }))
  );
}

/** The plan with an owner (priority 255) for some of the instances: it has the addresses for ever. */
export function withOwners(plan: WorldPlan, options: WorldOptions, dice: Dice): WorldPlan {
  const instances = plan.instances.map((instance) => {
    const candidates = instance.members.flatMap((member, router) => (member === undefined ? [] : [router]));
    if (instance.group !== undefined || candidates.length === 0 || !dice.chance(options.owner)) return instance;
    const owner = dice.pick(candidates);
    const members = instance.members.map((member, router) =>
      member !== undefined && router === owner ? { ...member, priority: 255, nopreempt: false } : member,
    );
    return { ...instance, members, vips: instance.vips.map((vip) => ({ ...vip, excluded: false })) };
  });
  return { ...plan, instances };
}

export function ownerOf(instance: InstancePlan): number | undefined {
  const owner = instance.members.findIndex((member) => member?.priority === 255);
  return owner < 0 ? undefined : owner;
}

/** By router. A file that did not change is read again with every healing. */
const CONFIGS = new WeakMap<WorldPlan, VrrpConfig[]>();

/** What one router is given. */
export function configOf(plan: WorldPlan, router: number): VrrpConfig {
  const known = CONFIGS.get(plan) ?? [];
  CONFIGS.set(plan, known);
  known[router] ??= makeConfig(plan, router);
  return known[router];
}

function makeConfig(plan: WorldPlan, router: number): VrrpConfig {
  const instances = plan.instances.flatMap((instance) => instanceOf(instance, router));
  const groupNames = [...new Set(plan.instances.flatMap(({ group }) => group ?? []))];
  const syncGroups: SyncGroupConfig[] = groupNames.flatMap((name) => {
    const members = plan.instances.filter(({ group, members: all }) => group === name && all[router] !== undefined);
    return members.length < 2
      ? []
      : [{ name, members: members.map((each) => each.name), notify: instanceConfig().notify }];
  });
  return vrrpConfig(instances, { syncGroups });
}

function instanceOf(plan: InstancePlan, router: number): VrrpInstanceConfig[] {
  const member = plan.members[router];
  if (member === undefined) return [];
  const device = interfaceName(plan.segment);
  const addresses = (excluded: boolean) =>
    plan.vips.filter((vip) => vip.excluded === excluded).map((vip) => vipConfig(vip.cidr, { device }));
  const peers = plan.members.flatMap((other, at) =>
    other === undefined || at === router
      ? []
      : [{ address: ownAddress(at, plan.segment, plan.family), timeToLiveMin: undefined, timeToLiveMax: undefined }],
  );
  const references = (kind: TrackPlan["kind"]) => plan.trackers.filter((tracker) => tracker.kind === kind);
  return [
    instanceConfig({
      name: plan.name,
      version: plan.version,
      family: plan.family,
      interface: device,
      virtualRouterId: plan.virtualRouterId,
      advertInterval: plan.advertInterval,
      downTimerAdverts: plan.downTimerAdverts,
      priority: member.priority,
      nopreempt: member.nopreempt,
      preemptDelay: member.preemptDelay,
      authPassword: plan.password,
      transport: plan.unicast
        ? { kind: "unicast", peers, timeToLive: 255, checkSource: true }
        : { kind: "multicast", group: ip(plan.family === 4 ? "224.0.0.18" : "ff02::12") },
      virtualAddresses: addresses(false),
      excludedAddresses: addresses(true),
      track: {
        interfaces: [],
        scripts: references("script"),
        files: references("file"),
        processes: references("process"),
      },
    }),
  ];
}

/** As after an administrator's edit: other priorities, addresses, options, instances that came and went. */
export function changedPlan(plan: WorldPlan, options: WorldOptions, dice: Dice): WorldPlan {
  const instances = plan.instances.flatMap((instance): InstancePlan[] => {
    const owned = ownerOf(instance) !== undefined;
    switch (dice.integer(0, 7)) {
      case 0:
        return instance.group === undefined ? [] : [instance];
      case 1:
        return owned || instance.group !== undefined
          ? [instance]
          : [{ ...instance, members: drawMembers(options, dice) }];
      case 2:
        return owned
          ? [instance]
          : [{ ...instance, vips: instance.vips.slice(0, -1).length > 0 ? instance.vips.slice(0, -1) : instance.vips }];
      case 3:
        return [{ ...instance, vips: instance.vips.toReversed() }];
      case 4:
        return [
          {
            ...instance,
            members: instance.members.map(
              (member) => member && { ...member, nopreempt: !member.nopreempt && member.priority < 255 },
            ),
          },
        ];
      case 5:
        return instance.version === 2 ? [{ ...instance, advertInterval: seconds(dice.integer(1, 3)) }] : [instance];
      default:
        return [instance];
    }
  });
  return { ...plan, instances };
}
