import type { Ip } from "../core/ip.ts";
import type { DurationUs } from "../core/units.ts";

/**
 * The frozen configuration: what the text of a file means, every default resolved (keepalived.conf(5) names them).
 * It is plain data: it crosses threads by structured clone and prints as JSON.
 * One object is swapped whole at a reload; nothing mutates it.
 */
export interface Config {
  readonly global: GlobalConfig;
  readonly vrrpInstances: readonly VrrpInstanceConfig[];
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
  readonly enableScriptSecurity: boolean;
  readonly scriptUser: string | undefined;
}

/** `vrrp_instance NAME { ... }` */
export interface VrrpInstanceConfig {
  readonly name: string;
  readonly initialState: "MASTER" | "BACKUP";
  readonly interface: string;
  /** 1 to 255 */
  readonly virtualRouterId: number;
  /** 1 to 255; 255 is the owner of the addresses (RFC 3768 5.3.4) */
  readonly priority: number;
  readonly advertInterval: DurationUs;
  readonly nopreempt: boolean;
  /** Protocol checks that `vrrp_strict` asks for; never packet-filter rules. */
  readonly strict: boolean;
  readonly virtualAddresses: readonly VirtualAddressConfig[];
  /** Second round of gratuitous ARP this long after the transition (`garp_master_delay`, default 5 s; 0 = none). */
  readonly garpMasterDelay: DurationUs;
  /** Messages of each round (`garp_master_repeat`, default 5). */
  readonly garpMasterRepeat: number;
  /** Repeats while MASTER at this interval (`garp_master_refresh`, default 0 = never), `garpMasterRefreshRepeat` at a time. */
  readonly garpMasterRefresh: DurationUs;
  readonly garpMasterRefreshRepeat: number;
}

/** One line of `virtual_ipaddress`. */
export interface VirtualAddressConfig {
  readonly address: Ip;
  /** As written, or 32 / 128. What is programmed may be narrower, see docs/decisions.md. */
  readonly prefixLength: number;
  /** Default: the instance's interface. */
  readonly device: string;
  /** IPv4 only, at most 15 bytes (IFA_LABEL). */
  readonly label: string | undefined;
  readonly scope: "global" | "site" | "link" | "host";
}

export type Scheduler = "rr" | "wrr" | "lc" | "wlc";

/** `virtual_server IP PORT { ... }` */
export interface VirtualServerConfig {
  readonly address: Ip;
  readonly port: number;
  readonly protocol: "TCP";
  readonly scheduler: Scheduler;
  readonly forwarding: "DR";
  /** Seconds of affinity as written (0 = none). Not programmed where the service is exclusive. */
  readonly persistenceTimeoutSec: number;
  readonly exclusive: ExclusiveSetting;
  /** Native: the incumbent of an exclusive service is probed every min(delay_loop, this); 0 = at delay_loop. Default 200 ms. */
  readonly roleWatch: DurationUs;
  readonly realServers: readonly RealServerConfig[];
  readonly at: SourceSpan;
}

/**
 * `on`/`off` as written by the `exclusive` keyword; without it `detected` when every server asks one of Patroni's
 * leader paths, `onScope` when every server asks `/` (exclusive as soon as a body carries `patroni.scope`), else `no`.
 */
export type ExclusiveSetting = "on" | "off" | "detected" | "onScope" | "no";

/** `real_server IP PORT { ... }` */
export interface RealServerConfig {
  readonly address: Ip;
  readonly port: number;
  /** 0 to 65535 */
  readonly weight: number;
  /** Weight 0 instead of removal while a check fails. */
  readonly inhibitOnFailure: boolean;
  /** All must pass. A server without checks is always up, as in keepalived. */
  readonly checks: readonly CheckConfig[];
}

export type CheckConfig = HttpCheckConfig | TcpCheckConfig;

/** What every checker shares, defaults taken from the virtual server as keepalived.conf(5) says. */
export interface CheckTiming {
  readonly delayLoop: DurationUs;
  /** One deadline over the whole probe: connect, request, headers, body. */
  readonly connectTimeout: DurationUs;
  /** Failures tolerated before the verdict falls. */
  readonly retry: number;
  readonly delayBeforeRetry: DurationUs;
  /** Spreads the phase of the probes after the first; never delays the first. */
  readonly warmup: DurationUs;
}

/** `HTTP_GET { ... }` */
export interface HttpCheckConfig {
  readonly kind: "HTTP_GET";
  readonly connectIp: Ip;
  readonly connectPort: number;
  /** In order; all must answer as expected. */
  readonly urls: readonly HttpUrlConfig[];
  readonly timing: CheckTiming;
}

export interface HttpUrlConfig {
  /** Begins with "/", query string included. */
  readonly path: string;
  /** Inclusive ranges; default 200 to 299. */
  readonly statusCodes: readonly { readonly from: number; readonly to: number }[];
}

/** `TCP_CHECK { ... }` */
export interface TcpCheckConfig {
  readonly kind: "TCP_CHECK";
  readonly connectIp: Ip;
  readonly connectPort: number;
  readonly timing: CheckTiming;
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
}

/** Where things were written that the host's facts may contradict. Not in `Config`: moving a line is no change of it. */
export interface ConfigPlaces {
  readonly vrrpInstances: ReadonlyMap<
    string,
    { readonly interface: SourceSpan; readonly addresses: readonly SourceSpan[] }
  >;
}
