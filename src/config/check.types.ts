import type { Ip } from "../core/ip.ts";
import type { DurationUs } from "../core/units.ts";
import type { ScriptCommand } from "./vrrp.types.ts";

/** What a real server's checkers are told, one type a keyword; keepalived.conf(5), LVS CONFIGURATION. */
export type CheckConfig =
  | HttpCheckConfig
  | TcpCheckConfig
  | PatroniCheckConfig
  | PgsqlCheckConfig
  | SmtpCheckConfig
  | DnsCheckConfig
  | UdpCheckConfig
  | PingCheckConfig
  | MiscCheckConfig
  | FileCheckConfig;

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

interface CheckCommon {
  readonly timing: CheckTiming;
  /** Each failure of a server that is up is told, not only the one that brings it down. */
  readonly logAllFailures?: boolean | undefined;
}

/** Where the packets of a check go, and what its socket is bound to. */
export interface CheckPath {
  readonly connectIp: Ip;
  /** 0 where the kind of check has no ports. */
  readonly connectPort: number;
  /** Where connections come from (`bindto`, `bind_port`, `bind_if`); undefined = as the route says. */
  readonly bindIp?: Ip | undefined;
  readonly bindPort?: number | undefined;
  readonly bindInterface?: string | undefined;
  /** Mark of the check's packets; undefined = none. */
  readonly firewallMark?: number | undefined;
}

interface PathCheck extends CheckCommon, CheckPath {}

/** `HTTP_GET { ... }`, and with `tls` `SSL_GET { ... }` */
export interface HttpCheckConfig extends PathCheck {
  readonly kind: "HTTP_GET";
  /** In order; all must answer as expected. */
  readonly urls: readonly HttpUrlConfig[];
  /** Undefined = 1.1. `1.0C` is 1.0 with `Connection: close`, which 1.1 has always. */
  readonly httpProtocol?: HttpProtocol | undefined;
  readonly tls?: CheckTlsConfig | undefined;
}

export type HttpProtocol = "1.0" | "1.0C" | "1.1";

/** TLS of a check, with the files of the top level's `SSL` block. Certificates are not verified without `ca`. */
export interface CheckTlsConfig {
  /** The Host header's name goes into the handshake (`enable_sni`). */
  readonly sendServerName: boolean;
  readonly ca?: string | undefined;
  readonly certificate?: string | undefined;
  readonly key?: string | undefined;
  readonly password?: string | undefined;
}

export interface HttpUrlConfig {
  /** Begins with "/", query string included. */
  readonly path: string;
  /** Inclusive ranges; default 200 to 299. */
  readonly statusCodes: readonly { readonly from: number; readonly to: number }[];
  /** The Host header; undefined = address and port. */
  readonly virtualHost?: string | undefined;
  /** MD5 of the body, 32 small hexadecimal digits. */
  readonly digest?: string | undefined;
  readonly regex?: HttpRegexConfig | undefined;
}

/** `regex` and what belongs to it. */
export interface HttpRegexConfig {
  readonly written: string;
  /** The same as JavaScript writes it. */
  readonly source: string;
  /** Of RegExp: of `i`, `m`, `s`, `u`. */
  readonly flags: string;
  /** A match fails the check instead of its absence. */
  readonly noMatch: boolean;
  /**
   * Offset in the answer, its head included, before which no match begins, and behind which none does; undefined = to the end.
   * In bytes, with the flag `u` in characters.
   */
  readonly minOffset: number;
  readonly maxOffset: number | undefined;
}

/** `TCP_CHECK { ... }` */
export interface TcpCheckConfig extends PathCheck {
  readonly kind: "TCP_CHECK";
}

/** What a `patroni` check wants a member to be; `read_write` is another word for primary. */
export type PatroniRole =
  | "primary"
  | "read_write"
  | "standby_leader"
  | "replica"
  | "sync"
  | "async"
  | "quorum"
  | "read_only"
  | "any";

/**
 * `patroni { ... }`: native. All checks of one node are one probe of `/leader`; each reads the answer by its own role and limits.
 */
export interface PatroniCheckConfig extends PathCheck {
  readonly kind: "patroni";
  readonly role: PatroniRole;
  /** How far a replica's replay may be behind the leader, in bytes; undefined = it does not matter. */
  readonly maxLagBytes: number | undefined;
  /** A member with the tag `noloadbalance` gets no connections unless it leads. */
  readonly respectsNoLoadBalance: boolean;
  /** How long a server that is up stays so while its answers leave open whether it is what is wanted; 0 = `drop`. */
  readonly unknownHold: DurationUs;
  /** HTTPS; undefined = HTTP. */
  readonly tls: TlsConfig | undefined;
  /** Basic authentication (RFC 7617). */
  readonly credentials: { readonly user: string; readonly password: string } | undefined;
}

/** Files are read by the checker, again whenever they change. */
export interface TlsConfig {
  /** Authorities in PEM; undefined = those that Node.js comes with. */
  readonly caFile: string | undefined;
  /** Name that the server's certificate must have, and that is sent (SNI); undefined = the address that is connected to. */
  readonly serverName: string | undefined;
  /** The client's own certificate and its key, in PEM; both or neither. */
  readonly certificateFile: string | undefined;
  readonly keyFile: string | undefined;
}

/** What `pg_is_in_recovery()` must say: false, true, or either. */
export type PgsqlRole = "primary" | "replica" | "any";

/** `pgsql { ... }`: native. PostgreSQL is logged in to, and asked whether it is in recovery. */
export interface PgsqlCheckConfig extends PathCheck {
  readonly kind: "pgsql";
  readonly role: PgsqlRole;
  readonly user: string;
  readonly password: string | undefined;
  readonly database: string;
  /** TLS, verified; undefined = none. */
  readonly tls: TlsConfig | undefined;
}

/** `SMTP_CHECK { ... }`, one for each of its `host` blocks. */
export interface SmtpCheckConfig extends PathCheck {
  readonly kind: "SMTP_CHECK";
  /** What it says in EHLO and HELO. */
  readonly heloName: string;
}

export type DnsType = "A" | "NS" | "CNAME" | "SOA" | "MX" | "TXT" | "AAAA";

/** `DNS_CHECK { ... }` */
export interface DnsCheckConfig extends PathCheck {
  readonly kind: "DNS_CHECK";
  readonly type: DnsType;
  readonly name: string;
}

/** `UDP_CHECK { ... }` */
export interface UdpCheckConfig extends PathCheck {
  readonly kind: "UDP_CHECK";
  /** Hexadecimal digits, two a byte; undefined = random bytes. */
  readonly payload: string | undefined;
  readonly reply: UdpReplyConfig | undefined;
}

/** What a reply must be; no reply is needed without it. */
export interface UdpReplyConfig {
  /** Hexadecimal digits, `x` for four bits that are not looked at; compared as far as both reach. Empty = any bytes. */
  readonly pattern: string;
  readonly lengthMin: number;
  readonly lengthMax: number;
}

/** `PING_CHECK { ... }` */
export interface PingCheckConfig extends PathCheck {
  readonly kind: "PING_CHECK";
}

/** `MISC_CHECK { ... }`: `timing.connectTimeout` is `misc_timeout`. */
export interface MiscCheckConfig extends CheckCommon {
  readonly kind: "MISC_CHECK";
  readonly command: ScriptCommand;
  /** An exit status from 2 on sets the weight. */
  readonly dynamic: boolean;
}

/** `FILE_CHECK { ... }`. Nothing is asked: the value comes when the file changes, so its timing is all zero. */
export interface FileCheckConfig extends CheckCommon {
  readonly kind: "FILE_CHECK";
  /** Name of a `track_file`. */
  readonly file: string;
  /** Factor of the value, negative where `reverse` is written; the product is added to the server's weight. 0 = any value but 0 is a failure. */
  readonly weight: number;
}
