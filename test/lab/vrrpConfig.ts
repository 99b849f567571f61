import type {
  GarpConfig,
  RouteConfig,
  RuleConfig,
  VirtualAddressConfig,
  VrrpConfig,
  VrrpInstanceConfig,
} from "../../src/config/vrrp.types.ts";
import { ip } from "../../src/core/ip.ts";
import { seconds } from "../../src/core/units.ts";

/** Configurations as a file without any option would give them, but for the changes; for every kind of test. */

type InstanceChanges = Partial<Omit<VrrpInstanceConfig, "garp">> & { readonly garp?: Partial<GarpConfig> };

/** VRID 1 on eth0 with 10.0.2.10/24, version 2, adverts each second. */
export function instanceConfig({ garp, ...changes }: InstanceChanges = {}): VrrpInstanceConfig {
  return {
    name: "RW",
    version: 2,
    family: 4,
    initialState: "BACKUP",
    interface: "eth0",
    virtualRouterId: 1,
    priority: 100,
    advertInterval: seconds(1),
    downTimerAdverts: 3,
    nopreempt: false,
    preemptDelay: seconds(0),
    strict: false,
    transport: { kind: "multicast", group: ip("224.0.0.18") },
    sourceAddress: undefined,
    trackSourceAddress: false,
    authPassword: undefined,
    checksumForm: "withPseudoHeader",
    virtualMac: undefined,
    trackPrimary: true,
    vipLease: true,
    promoteSecondaries: false,
    virtualAddresses: [vipConfig("10.0.2.10/24")],
    excludedAddresses: [],
    virtualRoutes: [],
    virtualRules: [],
    track: { interfaces: [], scripts: [], files: [], processes: [] },
    skipCheckAdvAddr: false,
    higherPrioSendAdvert: false,
    lowerPrioNoAdvert: false,
    debugLevel: 0,
    notify: {
      master: undefined,
      backup: undefined,
      fault: undefined,
      stop: undefined,
      deleted: undefined,
      tellsDeleted: false,
      masterRxLowerPri: undefined,
      any: undefined,
      priorityChanges: false,
      smtpAlert: false,
    },
    garp: {
      masterDelay: seconds(5),
      masterRepeat: 5,
      masterRefresh: seconds(0),
      masterRefreshRepeat: 1,
      lowerPrioDelay: seconds(5),
      lowerPrioRepeat: 5,
      extraInterval: seconds(0),
      extraAll: false,
      ...garp,
    },
    ...changes,
  };
}

/** A line `ADDRESS/PREFIX dev eth0`. */
export function vipConfig(cidr: string, changes: Partial<VirtualAddressConfig> = {}): VirtualAddressConfig {
  const [address = "", prefix = "32"] = cidr.split("/");
  return {
    address: ip(address),
    prefixLength: Number(prefix),
    device: "eth0",
    ownVirtualMac: undefined,
    baseInterface: undefined,
    label: undefined,
    scope: "global",
    broadcast: undefined,
    peer: undefined,
    home: false,
    manageTemporaryAddresses: false,
    noPrefixRoute: false,
    autojoin: false,
    noTrack: false,
    preferredLifetime: "lease",
    trackGroup: undefined,
    ...changes,
  };
}

/** A line `DESTINATION/PREFIX dev eth0`. */
export function routeConfig(cidr: string, changes: Partial<RouteConfig> = {}): RouteConfig {
  const [address = "", prefix = "32"] = cidr.split("/");
  return {
    family: address.includes(":") ? 6 : 4,
    type: "unicast",
    destination: { address: ip(address), prefixLength: Number(prefix) },
    from: undefined,
    preferredSource: undefined,
    gateway: undefined,
    device: "eth0",
    onlink: false,
    scope: 0,
    table: 254,
    protocol: 18,
    typeOfService: 0,
    metric: undefined,
    metrics: {},
    features: undefined,
    congestionControl: undefined,
    realms: undefined,
    preference: undefined,
    expiresSec: undefined,
    nexthops: [],
    append: false,
    noTrack: false,
    trackGroup: undefined,
    ...changes,
  };
}

/** A line `table 100 preference N`. */
export function ruleConfig(preference: number | undefined, changes: Partial<RuleConfig> = {}): RuleConfig {
  return {
    family: 4,
    action: "table",
    from: undefined,
    to: undefined,
    not: false,
    typeOfService: 0,
    fwmark: undefined,
    inputInterface: undefined,
    outputInterface: undefined,
    table: 100,
    goto: undefined,
    preference,
    realms: undefined,
    tunnelId: undefined,
    suppressPrefixLength: undefined,
    suppressInterfaceGroup: undefined,
    l3mdev: false,
    uidRange: undefined,
    protocol: 18,
    ipProtocol: undefined,
    sourcePorts: undefined,
    destinationPorts: undefined,
    noTrack: false,
    trackGroup: undefined,
    ...changes,
  };
}

/** The VRRP half with these instances and nothing else. */
export function vrrpConfig(
  instances: readonly VrrpInstanceConfig[],
  changes: Partial<Omit<VrrpConfig, "instances">> = {},
): VrrpConfig {
  return {
    instances,
    syncGroups: [],
    staticAddresses: [],
    staticRoutes: [],
    staticRules: [],
    trackGroups: {},
    announcePacing: [],
    garpInterval: seconds(0),
    gnaInterval: seconds(0),
    startupDelay: seconds(0),
    linkbeatInterfaces: [],
    linkDelays: [],
    logUnknownVrids: false,
    ...changes,
  };
}
