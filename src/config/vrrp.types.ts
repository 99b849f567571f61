import type { Family, Ip } from "../core/ip.ts";
import type { DurationUs } from "../core/units.ts";

/**
 * The VRRP half of the configuration, every default resolved (keepalived.conf(5), "VRRPD CONFIGURATION"). Weights, names
 * and defaults of trackers are resolved too: an instance carries what counts for it, also what its sync group adds.
 */

/** 2 is RFC 3768, 3 is RFC 9568 (and RFC 5798). IPv6 is always 3. */
export type VrrpVersion = 2 | 3;

/**
 * How an IPv4 advert of version 3 is summed: RFC 5798 and RFC 9568 include the pseudo header, some vendors leave it out.
 * Both are accepted; this is what is sent.
 */
export type ChecksumForm = "withPseudoHeader" | "withoutPseudoHeader";

/** `vrrp_instance NAME { ... }` */
export interface VrrpInstanceConfig {
  readonly name: string;
  readonly version: VrrpVersion;
  /** Of the adverts and of every address in them: the first virtual address decides. */
  readonly family: Family;
  readonly initialState: "MASTER" | "BACKUP";
  readonly interface: string;
  /** 1 to 255 */
  readonly virtualRouterId: number;
  /** 1 to 255; 255 is the owner of the addresses (RFC 3768 5.3.4) */
  readonly priority: number;
  /** Whole seconds in version 2, hundredths of a second in version 3. */
  readonly advertInterval: DurationUs;
  /** Adverts that may be missed: the master-down interval is this many intervals and the skew time (default 3). */
  readonly downTimerAdverts: number;
  readonly nopreempt: boolean;
  /** Waited in addition before preempting a lower priority, and at a start. */
  readonly preemptDelay: DurationUs;
  /** Protocol checks that `vrrp_strict` asks for; never packet-filter rules. */
  readonly strict: boolean;
  readonly transport: TransportConfig;
  /** `mcast_src_ip` or `unicast_src_ip`; undefined = the interface's primary address. */
  readonly sourceAddress: Ip | undefined;
  /** FAULT while the source address is not on the host; without it adverts fall back on the primary address. */
  readonly trackSourceAddress: boolean;
  /** `auth_type PASS`, version 2 only: at most 8 bytes. */
  readonly authPassword: string | undefined;
  readonly checksumForm: ChecksumForm;
  readonly virtualMac: VirtualMacConfig | undefined;
  /** False: `dont_track_primary`, faults of the interface do not count. */
  readonly trackPrimary: boolean;
  readonly promoteSecondaries: boolean;
  /** `vip_lease`; false: the addresses stay in the kernel until they are removed, adverts or not. */
  readonly vipLease: boolean;
  /** Advertised, in the order of the file. */
  readonly virtualAddresses: readonly VirtualAddressConfig[];
  /** Held by the master, but not in the adverts; of either family. */
  readonly excludedAddresses: readonly VirtualAddressConfig[];
  readonly virtualRoutes: readonly RouteConfig[];
  readonly virtualRules: readonly RuleConfig[];
  readonly track: TrackConfig;
  readonly garp: GarpConfig;
  readonly skipCheckAdvAddr: boolean;
  readonly higherPrioSendAdvert: boolean;
  readonly lowerPrioNoAdvert: boolean;
  /** `debug LEVEL`, 0 to 4: from 1 every input that was ignored is logged, from 2 every input. */
  readonly debugLevel: number;
  readonly notify: NotifyConfig;
}

export type TransportConfig =
  | { readonly kind: "multicast"; readonly group: Ip }
  | {
      readonly kind: "unicast";
      readonly peers: readonly UnicastPeerConfig[];
      /** TTL or hop limit of what is sent. */
      readonly timeToLive: number;
      /** Adverts of others than the peers are discarded. */
      readonly checkSource: boolean;
    };

export interface UnicastPeerConfig {
  readonly address: Ip;
  /** Adverts of this peer with a TTL or hop limit outside are discarded; undefined = not looked at. */
  readonly timeToLiveMin: number | undefined;
  readonly timeToLiveMax: number | undefined;
}

/** `use_vmac`, `use_ipvlan`: the device of our own that carries the addresses. */
export interface VirtualMacConfig {
  readonly kind: "macvlan" | "ipvlan";
  /** Name of the device, written or `vrrp.VRID` (`vrrp6.VRID` for IPv6), at most 15 bytes. */
  readonly name: string;
  /** macvlan: 00:00:5e:00:01:VRID (IPv6: 00:00:5e:00:02:VRID), or as written. Six bytes. */
  readonly hardwareAddress: readonly number[] | undefined;
  readonly ipvlanMode: "bridge" | "private" | "vepa" | undefined;
  /** ipvlan: address of the device. */
  readonly ipvlanAddress: { readonly address: Ip; readonly prefixLength: number } | undefined;
  /** Adverts by the base interface (`vmac_xmit_base`). */
  readonly transmitFromBase: boolean;
}

/** One line of `virtual_ipaddress`, `virtual_ipaddress_excluded` or `static_ipaddress`. */
export interface VirtualAddressConfig {
  readonly address: Ip;
  /** As written, or 32 / 128. What is programmed may be narrower, see docs/decisions.md. */
  readonly prefixLength: number;
  /** Default: the instance's virtual MAC device where it has one, else its interface. */
  readonly device: string;
  /** The base of `device` where that is a virtual MAC device of this address's own (`use_vmac`, `use_vmac_addr`). */
  readonly ownVirtualMac: VirtualMacConfig | undefined;
  /** Where `ownVirtualMac` stands on. */
  readonly baseInterface: string | undefined;
  /** IPv4 only, at most 15 bytes (IFA_LABEL). */
  readonly label: string | undefined;
  readonly scope: "global" | "site" | "link" | "host" | "nowhere";
  readonly broadcast: Ip | undefined;
  /** Other end of a point-to-point link. */
  readonly peer: Ip | undefined;
  readonly home: boolean;
  readonly manageTemporaryAddresses: boolean;
  readonly noPrefixRoute: boolean;
  readonly autojoin: boolean;
  /** Taken away by others, it is not put back, and the instance stays MASTER. */
  readonly noTrack: boolean;
  /** `lease`: 0 (the design's default). `forever`: as long as the lease. Else seconds, at most the lease's. */
  readonly preferredLifetime: "lease" | "forever" | number;
  /** Static addresses only: the instances that go to FAULT while it cannot be kept. */
  readonly trackGroup: string | undefined;
}

/** A line of `virtual_routes` or `static_routes`, numbers resolved: `ip route add` (ip-route(8), rtnetlink(7)). */
export interface RouteConfig {
  readonly family: Family;
  /** RTN_*: `unicast` where none is written. */
  readonly type: "unicast" | "local" | "broadcast" | "multicast" | "throw" | "unreachable" | "prohibit" | "blackhole";
  /** 0.0.0.0/0 or ::/0 is the default route. */
  readonly destination: { readonly address: Ip; readonly prefixLength: number };
  /** IPv6 source routing (`from`). */
  readonly from: { readonly address: Ip; readonly prefixLength: number } | undefined;
  /** `src`: RTA_PREFSRC */
  readonly preferredSource: Ip | undefined;
  readonly gateway: Ip | undefined;
  readonly device: string | undefined;
  readonly onlink: boolean;
  readonly scope: number;
  readonly table: number;
  readonly protocol: number;
  readonly typeOfService: number;
  /** RTA_PRIORITY */
  readonly metric: number | undefined;
  /** RTAX_* by number: mtu 2, window 3, rtt 4, ...; `lock` bits in RTAX_LOCK (1). */
  readonly metrics: Readonly<Record<number, number>>;
  readonly features: number | undefined;
  /** Text of RTAX_CC_ALGO. */
  readonly congestionControl: string | undefined;
  /** IPv4 RTA_FLOW. */
  readonly realms: number | undefined;
  /** IPv6 RTA_PREF: 0 medium, 1 high, 3 low. */
  readonly preference: number | undefined;
  readonly expiresSec: number | undefined;
  readonly nexthops: readonly NexthopConfig[];
  /** `ip route append` instead of prepend. */
  readonly append: boolean;
  readonly noTrack: boolean;
  readonly trackGroup: string | undefined;
}

export interface NexthopConfig {
  readonly gateway: Ip | undefined;
  readonly device: string | undefined;
  readonly onlink: boolean;
  /** 1 to 256 */
  readonly weight: number;
  readonly realms: number | undefined;
}

/** A line of `virtual_rules` or `static_rules`: `ip rule add` (ip-rule(8), linux/fib_rules.h). */
export interface RuleConfig {
  readonly family: Family;
  /** FR_ACT_* */
  readonly action: "table" | "goto" | "nop" | "blackhole" | "unreachable" | "prohibit";
  readonly from: { readonly address: Ip; readonly prefixLength: number } | undefined;
  readonly to: { readonly address: Ip; readonly prefixLength: number } | undefined;
  readonly not: boolean;
  readonly typeOfService: number;
  readonly fwmark: { readonly value: number; readonly mask: number } | undefined;
  readonly inputInterface: string | undefined;
  readonly outputInterface: string | undefined;
  readonly table: number | undefined;
  readonly goto: number | undefined;
  /** Undefined: assigned by us, so that it is the same after every transition. */
  readonly preference: number | undefined;
  readonly realms: number | undefined;
  readonly tunnelId: bigint | undefined;
  readonly suppressPrefixLength: number | undefined;
  readonly suppressInterfaceGroup: number | undefined;
  readonly l3mdev: boolean;
  readonly uidRange: { readonly from: number; readonly to: number } | undefined;
  readonly protocol: number | undefined;
  readonly ipProtocol: number | undefined;
  readonly sourcePorts: { readonly from: number; readonly to: number } | undefined;
  readonly destinationPorts: { readonly from: number; readonly to: number } | undefined;
  readonly noTrack: boolean;
  readonly trackGroup: string | undefined;
}

/** What decides over priority and FAULT of an instance, besides its interface. */
export interface TrackConfig {
  readonly interfaces: readonly TrackReference[];
  readonly scripts: readonly TrackReference[];
  readonly files: readonly TrackReference[];
  readonly processes: readonly TrackReference[];
}

/** `NAME weight N [reverse]`. Weight 0: FAULT while it is down (with `reverse`: while it is up). */
export interface TrackReference {
  readonly name: string;
  readonly weight: number;
  readonly reverse: boolean;
}

/** Gratuitous ARP and unsolicited neighbour advertisements. */
export interface GarpConfig {
  /** Second round this long after the transition (`garp_master_delay`, default 5 s; 0 = none). */
  readonly masterDelay: DurationUs;
  /** Messages of each round (`garp_master_repeat`, default 5). */
  readonly masterRepeat: number;
  /** Repeats while MASTER at this interval (`garp_master_refresh`, default 0 = never), `masterRefreshRepeat` at a time. */
  readonly masterRefresh: DurationUs;
  readonly masterRefreshRepeat: number;
  /** After a lower priority was heard while MASTER. */
  readonly lowerPrioDelay: DurationUs;
  readonly lowerPrioRepeat: number;
  /** On the other interfaces of the addresses at this interval, 0 = never; `extraAll` = on virtual MAC devices and others. */
  readonly extraInterval: DurationUs;
  readonly extraAll: boolean;
}

/** A script as written: no shell, words of the command line resolved. */
export interface ScriptCommand {
  readonly arguments: readonly string[];
  readonly user: string | undefined;
  readonly group: string | undefined;
}

export interface NotifyConfig {
  readonly master: ScriptCommand | undefined;
  readonly backup: ScriptCommand | undefined;
  readonly fault: ScriptCommand | undefined;
  readonly stop: ScriptCommand | undefined;
  readonly deleted: ScriptCommand | undefined;
  /** `notify_deleted` was written: DELETED instead of FAULT is told when a reload removes the instance. */
  readonly tellsDeleted: boolean;
  readonly masterRxLowerPri: ScriptCommand | undefined;
  /** Called last, with `INSTANCE|GROUP NAME STATE PRIORITY` behind its own arguments. */
  readonly any: ScriptCommand | undefined;
  readonly priorityChanges: boolean;
  readonly smtpAlert: boolean;
}

/** `vrrp_sync_group NAME { ... }`: its trackers are merged into its members. */
export interface SyncGroupConfig {
  readonly name: string;
  /** Names of instances, in the order of the file; two or more. */
  readonly members: readonly string[];
  readonly notify: NotifyConfig;
}

/** `vrrp_script NAME { ... }` */
export interface VrrpScriptConfig {
  readonly name: string;
  readonly command: ScriptCommand;
  readonly interval: DurationUs;
  /** A run that takes longer has failed and is killed; default: the interval. */
  readonly timeout: DurationUs;
  readonly rise: number;
  readonly fall: number;
  readonly initFail: boolean;
}

/** `vrrp_track_process NAME { ... }` */
export interface TrackProcessConfig {
  readonly name: string;
  /** Command name, and parameters where they count. */
  readonly process: string;
  readonly parameters: readonly string[] | undefined;
  readonly parameterMatch: "exact" | "initial" | "partial";
  readonly fullCommand: boolean;
  readonly quorum: number;
  readonly quorumMax: number | undefined;
  readonly forkDelay: DurationUs;
  readonly terminateDelay: DurationUs;
}

/** `track_file NAME { ... }` */
export interface TrackFileConfig {
  readonly name: string;
  readonly path: string;
  readonly initialize: { readonly value: number; readonly overwrite: boolean } | undefined;
}

/** `garp_group { ... }` and `vrrp_garp_interval`, `vrrp_gna_interval`: pauses between announcements. */
export interface AnnouncePacingConfig {
  /** Interfaces whose announcements share the pause. */
  readonly interfaces: readonly string[];
  readonly garpInterval: DurationUs;
  readonly gnaInterval: DurationUs;
}

/** What the whole VRRP half is given: crosses to the worker as one value. */
export interface VrrpConfig {
  readonly instances: readonly VrrpInstanceConfig[];
  readonly syncGroups: readonly SyncGroupConfig[];
  readonly staticAddresses: readonly VirtualAddressConfig[];
  readonly staticRoutes: readonly RouteConfig[];
  readonly staticRules: readonly RuleConfig[];
  /** `track_group`: names of instances by group. */
  readonly trackGroups: Readonly<Record<string, readonly string[]>>;
  readonly announcePacing: readonly AnnouncePacingConfig[];
  /** Of interfaces in no group; 0 = no pause. */
  readonly garpInterval: DurationUs;
  readonly gnaInterval: DurationUs;
  /** `vrrp_startup_delay` */
  readonly startupDelay: DurationUs;
  /** Interfaces whose link state is polled besides the notifications. */
  readonly linkbeatInterfaces: readonly string[];
  /** `interface_up_down_delays`: a change counts after it has lasted so long. */
  readonly linkDelays: readonly { readonly interface: string; readonly up: DurationUs; readonly down: DurationUs }[];
  readonly logUnknownVrids: boolean;
}
