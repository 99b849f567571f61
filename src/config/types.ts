import type { Family, Ip } from "../core/ip.ts";
import type { DurationUs } from "../core/units.ts";
import type { CheckConfig, PatroniCheckConfig } from "./check.types.ts";
import type { ScriptCommand, TrackFileConfig, TrackProcessConfig, VrrpConfig, VrrpScriptConfig } from "./vrrp.types.ts";

/**
 * The frozen configuration: what the text of a file means, every default resolved (keepalived.conf(5) names them).
 * It is plain data: it crosses threads by structured clone and prints as JSON.
 * One object is swapped whole at a reload; nothing mutates it.
 */
export interface Config {
  readonly global: GlobalConfig;
  readonly vrrp: VrrpConfig;
  readonly scripts: readonly VrrpScriptConfig[];
  readonly trackProcesses: readonly TrackProcessConfig[];
  readonly trackFiles: readonly TrackFileConfig[];
  readonly lvs: LvsConfig;
  readonly virtualServers: readonly VirtualServerConfig[];
}

/** Where in the text a value was written, for diagnostics that are found after parsing. Lines and columns count from 1. */
export interface SourceSpan {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly length: number;
}

/** `global_defs` */
export interface GlobalConfig {
  /** Default: the host's name, resolved by the caller; undefined here when not written. */
  readonly routerId: string | undefined;
  readonly vrrpStrict: boolean;
  /** Scripts that would run as root are refused where anybody else may write them or a folder on their path. */
  readonly enableScriptSecurity: boolean;
  /** User and group of scripts without their own; undefined = keepalived_script where that user exists, else our own. */
  readonly scriptUser: { readonly user: string; readonly group: string | undefined } | undefined;
  readonly fifos: readonly NotifyFifoConfig[];
  readonly mail: MailConfig | undefined;
  readonly startupScript: TimedScript | undefined;
  readonly shutdownScript: TimedScript | undefined;
  /** States are written to the FIFOs again at a reload. */
  readonly fifoWriteStatesOnReload: boolean;
  /** `rs_init_notifies`: a first verdict of up is told, too. */
  readonly tellsFirstUp: boolean;
  /** SCHED_RR priority of the VRRP thread (`vrrp_rt_priority`); undefined = the command line's. */
  readonly vrrpRealtimePriority: number | undefined;
  /** Native: where `POST /kick` is answered; undefined = nowhere. */
  readonly kick: KickConfig | undefined;
}

/** `kick_listen`, `kick_token_file` */
export interface KickConfig {
  readonly address: Ip;
  readonly port: number;
  readonly tokenFile: string;
}

/** `notify_fifo`, `vrrp_notify_fifo`, `lvs_notify_fifo` with the script that reads it. */
export interface NotifyFifoConfig {
  readonly path: string;
  readonly user: string | undefined;
  readonly group: string | undefined;
  readonly events: readonly ("vrrp" | "lvs")[];
  readonly script: ScriptCommand | undefined;
}

/** Where SMTP alerts go; undefined without a `notification_email`. */
export interface MailConfig {
  readonly to: readonly string[];
  /** Default keepalived@<host name>, resolved by the sender. */
  readonly from: string | undefined;
  readonly server: string;
  readonly port: number;
  readonly heloName: string | undefined;
  readonly connectTimeout: DurationUs;
  readonly noFaults: boolean;
}

export interface TimedScript {
  readonly command: ScriptCommand;
  readonly timeout: DurationUs;
}

/** `lvs_*` of global_defs: what holds for the IPVS of the host as a whole. */
export interface LvsConfig {
  readonly syncDaemon: SyncDaemonConfig | undefined;
  /** Seconds; undefined = as it was before us. */
  readonly timeoutsSec: {
    readonly tcp: number | undefined;
    readonly tcpfin: number | undefined;
    readonly udp: number | undefined;
  };
  /** Native: `auto` = while there is an exclusive service of TCP. */
  readonly sloppyTcp: "auto" | "on" | "off";
  /** `lvs_flush`: at a start every virtual server that the file does not have goes, whoever made it. */
  readonly flushAtStart: boolean;
  /** `lvs_flush_on_stop`: at the end every virtual server goes; `services` = ours, which go in any case. */
  readonly flushAtEnd: "no" | "all" | "services";
  /** `net_namespace_ipvs`; undefined = the daemon's own. */
  readonly namespace: string | undefined;
}

/** `lvs_sync_daemon` */
export interface SyncDaemonConfig {
  readonly interface: string;
  /** Whose state decides which of the two runs; undefined = both. */
  readonly instance: string | undefined;
  readonly syncId: number;
  /** Bytes of a message; undefined = what the kernel takes by the MTU. */
  readonly lengthMax: number | undefined;
  readonly port: number;
  readonly ttl: number;
  readonly group: Ip;
}

export type Scheduler =
  | "rr"
  | "wrr"
  | "lc"
  | "wlc"
  | "lblc"
  | "lblcr"
  | "dh"
  | "sh"
  | "mh"
  | "fo"
  | "ovf"
  | "sed"
  | "nq"
  | "twos";
export type TunnelType = "ipip" | "gue" | "gre";
export type TunnelChecksum = "nocsum" | "csum" | "remcsum";

/** `lvs_method`: keepalived's words. */
export type ForwardingConfig =
  | { readonly method: "DR" | "NAT" }
  /** `port` is GUE's, else 0. */
  | { readonly method: "TUN"; readonly type: TunnelType; readonly port: number; readonly checksum: TunnelChecksum };

/** What the kernel finds a service by: an address with a port (0 = every one), or a firewall mark. */
export type ServiceTarget =
  | { readonly protocol: "TCP" | "UDP" | "SCTP"; readonly address: Ip; readonly port: number }
  | { readonly protocol: "FWM"; readonly mark: number; readonly family: Family };

/** `virtual_server IP PORT { ... }`, `virtual_server fwmark MARK`, `virtual_server group NAME` */
export interface VirtualServerConfig {
  /** What it is called everywhere: `TCP 10.0.2.10:5432`, `FWM 7`, `TCP group NAME`. */
  readonly name: string;
  /** One service in the kernel each, all with the same servers; several where a group lists them. */
  readonly targets: readonly ServiceTarget[];
  readonly scheduler: Scheduler;
  /** `flag-1` to `flag-3` as bits 0 to 2. */
  readonly schedulerFlags: number;
  /** `ops` */
  readonly onePacket: boolean;
  /** Seconds of affinity as written (0 = none). Not programmed where the service is exclusive. */
  readonly persistenceTimeoutSec: number;
  /** `persistence_granularity` as a prefix length; undefined = the whole address. */
  readonly persistencePrefix: number | undefined;
  /** `sip`, or empty. */
  readonly persistenceEngine: string;
  /** Total weight of live servers from which on the service is whole, and how far it may be passed before that changes. */
  readonly quorum: number;
  readonly hysteresis: number;
  /** Takes the place of all real servers while the quorum is lost. */
  readonly sorryServer: SorryServerConfig | undefined;
  readonly notify: {
    readonly quorumUp: ScriptCommand | undefined;
    readonly quorumDown: ScriptCommand | undefined;
    /** Mail when the quorum is gained or lost. */
    readonly smtpAlert: boolean;
    /** `omega`: at the end the scripts of what is up are told that it is down. */
    readonly downAtEnd: boolean;
  };
  /** `ha_suspend`: no checks, and no weight, while the host holds none of its addresses. */
  readonly haSuspend: boolean;
  readonly exclusive: ExclusiveSetting;
  /** Native: the incumbent of an exclusive service is probed every min(delay_loop, this); 0 = at delay_loop. Default 200 ms. */
  readonly roleWatch: DurationUs;
  /** Native: how long a silent incumbent of an exclusive service keeps its weight while its service port answers; 0 = not. Default 30 s. */
  readonly roleHold: DurationUs;
  /** Native, `fallback`: how long no server may have had weight before those with the second role get it; undefined = never. */
  readonly fallbackAfter?: DurationUs;
  /** Native: what becomes of established connections to a server that may have no weight any more; undefined = by the kind of service. */
  readonly roleLoss: RoleLossConfig | undefined;
  readonly realServers: readonly RealServerConfig[];
  /** Native, `patroni_cluster`: further servers follow a cluster's members; undefined = those written are all. */
  readonly discovery?: DiscoveryConfig;
  readonly at: SourceSpan;
}

/** `patroni_cluster` */
export interface DiscoveryConfig {
  /** REST APIs that are asked for the list, in turn. */
  readonly sources: readonly { readonly address: Ip; readonly port: number }[];
  /** The cluster's name; undefined = the first one that is told. */
  readonly scope: string | undefined;
  readonly interval: DurationUs;
  /** What a member is made of; its address and those of its checks are put in (config/discovery.ts). */
  readonly template: RealServerConfig;
}

/**
 * `on`/`off` as written by the `exclusive` keyword; without it `detected` when every server asks one of Patroni's
 * leader paths, `onScope` when every server asks `/` (exclusive as soon as a body carries `patroni.scope`), else `no`.
 */
export type ExclusiveSetting = "on" | "off" | "detected" | "onScope" | "no";

/** `role_loss` (see health/roleLoss.ts). */
export type RoleLossConfig =
  | { readonly policy: "cut" }
  | { readonly policy: "keep" }
  /** `deadline`: undefined = until the last connection has ended. */
  | { readonly policy: "drain"; readonly deadline: DurationUs | undefined };

/** `sorry_server` */
export interface SorryServerConfig {
  readonly address: Ip;
  readonly port: number;
  readonly forwarding: ForwardingConfig;
  /** Its row stays with weight 0 while it is not needed. */
  readonly inhibit: boolean;
}

/** `real_server IP PORT { ... }` */
export interface RealServerConfig {
  readonly address: Ip;
  /** As written, else the virtual server's; 0 where a firewall mark or a group has none. Its rows' ports are `rowPort`'s. */
  readonly port: number;
  readonly forwarding: ForwardingConfig;
  /** Connections from which on it gets no new ones, and below which it gets them again; 0 = no limit. */
  readonly notify: {
    readonly up: ScriptCommand | undefined;
    readonly down: ScriptCommand | undefined;
    /** Mail when it comes up or goes down. */
    readonly smtpAlert: boolean;
  };
  readonly upperThreshold: number;
  readonly lowerThreshold: number;
  /** 0 to 65535 */
  readonly weight: number;
  /** Weight 0 instead of removal while a check fails. */
  readonly inhibitOnFailure: boolean;
  /** All must pass. A server without checks is always up, as in keepalived. */
  readonly checks: readonly CheckConfig[];
  /** Passes in the place of its `patroni` check while the service has fallen back (`fallback`). */
  readonly fallback?: PatroniCheckConfig;
}

/** Facts about the host that validation compares with; gathered by `io`, so that a file can also be checked elsewhere. */
export interface HostFacts {
  readonly interfaces: readonly {
    readonly name: string;
    readonly addresses: readonly { readonly ip: Ip; readonly prefixLength: number }[];
  }[];
}

export interface Diagnostic {
  readonly severity: "error" | "warning";
  /** Stable identifier, for example `unknown-keyword`, `out-of-range`, `trap-vrrp-strict`. */
  readonly code: string;
  readonly at: SourceSpan;
  /** What is wrong: the value and the rule. */
  readonly message: string;
  readonly remedy: string;
}

export interface ParseOutcome {
  /** Absent when a diagnostic is an error. */
  readonly config: Config | undefined;
  readonly diagnostics: readonly Diagnostic[];
  readonly places: ConfigPlaces;
  /** Of every file that was read, by its name: what diagnostics point into. */
  readonly texts: ReadonlyMap<string, string>;
}

/** Where things were written that the host's facts may contradict. Not in `Config`: moving a line is no change of it. */
export interface ConfigPlaces {
  readonly vrrpInstances: ReadonlyMap<
    string,
    {
      readonly interface: SourceSpan;
      /** Of `mcast_src_ip` or `unicast_src_ip`. */
      readonly source: SourceSpan | undefined;
      /** In the order of `virtualAddresses` and then `excludedAddresses`. */
      readonly addresses: readonly SourceSpan[];
    }
  >;
  /** Other interfaces that are named, with what they are for: `tracked by vrrp_instance A`. */
  readonly interfaces: readonly { readonly name: string; readonly at: SourceSpan; readonly use: string }[];
}
