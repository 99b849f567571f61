import type { Ip } from "../core/ip.ts";
import type { DurationUs } from "../core/units.ts";

/** What a real server's checkers are told, one type a keyword; keepalived.conf(5), LVS CONFIGURATION. */
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
