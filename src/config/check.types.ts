import type { Ip } from "../core/ip.ts";
import type { DurationUs } from "../core/units.ts";

/** What a real server's checkers are told, one type a keyword; keepalived.conf(5), LVS CONFIGURATION. */
export type CheckConfig = HttpCheckConfig | TcpCheckConfig | PatroniCheckConfig;

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
}

/** Where the packets of a check go, and what its socket is bound to. */
export interface CheckPath {
  readonly connectIp: Ip;
  readonly connectPort: number;
  /** Where connections come from (`bindto`); undefined = as the route says. */
  readonly bindIp?: Ip | undefined;
}

interface PathCheck extends CheckCommon, CheckPath {}

/** `HTTP_GET { ... }` */
export interface HttpCheckConfig extends PathCheck {
  readonly kind: "HTTP_GET";
  /** In order; all must answer as expected. */
  readonly urls: readonly HttpUrlConfig[];
}

export interface HttpUrlConfig {
  /** Begins with "/", query string included. */
  readonly path: string;
  /** Inclusive ranges; default 200 to 299. */
  readonly statusCodes: readonly { readonly from: number; readonly to: number }[];
  /** The Host header; undefined = address and port. */
  readonly virtualHost?: string | undefined;
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
