import { seconds } from "../../core/units.ts";
import { integer, timer } from "./kinds.ts";
import { MAN, type ValueRow } from "./row.ts";

/**
 * The timing keywords that a virtual server, its real servers and their checkers share: the checker's own value wins, then
 * the real server's, then the virtual server's (keepalived.conf(5), LVS CONFIGURATION). Only a checker has defaults,
 * because they differ by its kind.
 */

const OUTER = "the real server, else the virtual server";

const connectTimeout = timer({ minSec: 0.001, maxSec: 4294.967295 });
const retry = integer({ min: 0, max: 1_000_000, unit: "COUNT" });
const delay = timer({ minSec: 0, maxSec: 4294.967295 });
/** keepalived takes any span above 0; below a millisecond it is a mistake that would flood the server. */
const delayLoop = timer({ minSec: 0.001, maxSec: 2_678_400 });

const rows = {
  delay_loop: {
    shape: "value",
    status: "implemented",
    kind: delayLoop,
    doc: "Time from the beginning of one check to the beginning of the next.",
    reference: MAN,
    reload: "live",
    example: "delay_loop 1",
  },
  connect_timeout: {
    shape: "value",
    status: "implemented",
    kind: connectTimeout,
    doc: "Time allowed for a whole check: connection, request and answer. keepalived counts each step anew.",
    reference: MAN,
    reload: "live",
    example: "connect_timeout 1",
  },
  retry: {
    shape: "value",
    status: "implemented",
    kind: retry,
    doc: "Further checks that must fail after a first failure before a server that is up counts as down. Where Patroni's answer tells a role, that answer counts at once.",
    reference: MAN,
    reload: "live",
    example: "retry 1",
  },
  delay_before_retry: {
    shape: "value",
    status: "implemented",
    kind: delay,
    doc: "Time between a failed check and the next one, as long as `retry` is not used up.",
    reference: MAN,
    reload: "live",
    example: "delay_before_retry 1",
  },
  warmup: {
    shape: "value",
    status: "implemented",
    kind: delay,
    doc: "Spreads the second checks over at most this time; the first check is never delayed, unlike in keepalived. 0 = no spreading. Later, checks whose times are near are asked together, seven along with one that is due.",
    reference: MAN,
    reload: "live",
    example: "warmup 0",
  },
} as const satisfies Readonly<Record<string, ValueRow<unknown>>>;

/** For a virtual server or a real server: values for the blocks inside. */
export const outerTimingRows = rows;

/** For HTTP_GET and SSL_GET: one attempt more after a failure, three seconds later. */
export const httpTimingRows = checkerRows({ delayBeforeRetrySec: 3 });

/** For TCP_CHECK, SMTP_CHECK, UDP_CHECK and PING_CHECK: one attempt more after a failure, one second later. */
export const connectionTimingRows = checkerRows({ delayBeforeRetrySec: 1 });

const { connect_timeout: _deadline, ...withoutDeadline } = checkerRows({ delayBeforeRetrySec: 1 });

/** For MISC_CHECK: no further attempt after a failure, and misc_timeout is the deadline. */
export const miscTimingRows = { ...withoutDeadline, retry: { ...withoutDeadline.retry, default: 0 } } as const;

/** For DNS_CHECK: three attempts more, each a delay_loop later. */
export const dnsTimingRows = {
  ...connectionTimingRows,
  retry: { ...connectionTimingRows.retry, default: 3 },
  delay_before_retry: {
    ...rows.delay_before_retry,
    defaultFrom: `${OUTER}, else delay_loop`,
  },
} as const;

/** The rows of a checker. keepalived's checkers are made once a minute unless the file says otherwise, and may take 5 s. */
export function checkerRows(defaults: {
  readonly delayLoopSec?: number;
  readonly connectTimeoutSec?: number;
  readonly delayBeforeRetrySec: number;
}) {
  const { delayLoopSec = 60, connectTimeoutSec = 5, delayBeforeRetrySec } = defaults;
  return {
    delay_loop: { ...rows.delay_loop, default: seconds(delayLoopSec), defaultFrom: OUTER },
    connect_timeout: { ...rows.connect_timeout, default: seconds(connectTimeoutSec), defaultFrom: OUTER },
    retry: { ...rows.retry, default: 1, defaultFrom: OUTER },
    delay_before_retry: { ...rows.delay_before_retry, default: seconds(delayBeforeRetrySec), defaultFrom: OUTER },
    warmup: { ...rows.warmup, defaultFrom: `${OUTER}, else delay_loop` },
  } as const;
}
