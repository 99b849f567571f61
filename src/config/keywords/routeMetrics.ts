import { fail, ok } from "../../core/result.ts";
import type { Word } from "../lexer.ts";
import { invalid, oneWord, type Parsed } from "./kinds.ts";
import type { Options } from "./options.ts";
import { parseNumber, plainNumber } from "./routingWords.ts";
import { MAN, type ValueKind, type ValueRow } from "./row.ts";

/** Metrics of a route: RTAX_* of linux/rtnetlink.h, written as ip-route(8) has them. */

interface Metric {
  readonly value: number;
  /** The kernel is not to change it by path MTU discovery and the like. */
  readonly locked: boolean;
}

const row = { shape: "value", status: "implemented", reference: MAN, reload: "live" } as const;

function lockable(syntax: string, parse: (word: Word) => Parsed<number>): ValueKind<Metric> {
  return {
    syntax: `[lock] ${syntax}`,
    minimumWords: 1,
    maximumWords: 2,
    wordsTaken: ([first]) => (first?.text === "lock" ? 2 : 1),
    parse: ([first, second]) => {
      const locked = first?.text === "lock";
      const word = locked ? second : first;
      if (word === undefined) {
        return fail({
          code: "missing-value",
          ...(first === undefined ? {} : { word: first }),
          message: "a value is missing behind lock",
          remedy: "write it, for example mtu lock 1400",
        });
      }
      const value = parse(word);
      return value.ok ? ok({ value: value.value, locked }) : value;
    },
    format: ({ value, locked }) => (locked ? `lock ${value}` : String(value)),
  };
}

const U32_MAX = 0xffff_ffff;
const number = (max = U32_MAX): ValueKind<Metric> =>
  lockable(`<NUMBER 0..${max}>`, (word) => parseNumber(word, word.text, 0, max));

/** `N` in the kernel's own unit, `Nms` or `Ns`; the kernel counts `perMs` units a millisecond. */
const time = (perMs: number): ValueKind<Metric> =>
  lockable("<TIME>[ms|s]", (word) => {
    const match = /^(\d{1,10}(?:\.\d{1,3})?)(ms|s|)$/.exec(word.text);
    const value = Number(match?.[1]) * (match?.[2] === "" ? 1 : match?.[2] === "s" ? 1000 * perMs : perMs);
    if (match === null || value > U32_MAX || !Number.isInteger(value)) {
      return invalid(word, "is no time", "write it with its unit: 200ms or 2s");
    }
    return ok(value);
  });

const switched = plainNumber({ min: 0, max: 1 });

const ECN = 1;
/** RTAX_FEATURES: ecn is the only one that can be set. */
const features: ValueKind<number> = oneWord("ecn", (word) =>
  word.text === "ecn" ? ok(ECN) : invalid(word, "is no feature of a route", "write ecn"),
);

/** TCP_CA_NAME_MAX is 16 with its closing NUL. */
const congestionControl: ValueKind<{ readonly name: string; readonly locked: boolean }> = {
  syntax: "[lock] <NAME>",
  minimumWords: 1,
  maximumWords: 2,
  wordsTaken: ([first]) => (first?.text === "lock" ? 2 : 1),
  parse: ([first, second]) => {
    const locked = first?.text === "lock";
    const word = locked ? second : first;
    if (word === undefined || !/^[\w-]{1,15}$/.test(word.text)) {
      const at = word ?? first;
      return at === undefined
        ? fail({ code: "missing-value", message: "a name is missing", remedy: "write it: congctl cubic" })
        : invalid(at, "is no name of a congestion control", "write it as the kernel has it: congctl cubic");
    }
    return ok({ name: word.text, locked });
  },
  format: ({ name, locked }) => (locked ? `lock ${name}` : name),
};

const metric = (kind: ValueKind<Metric>, doc: string, example: string) =>
  ({ ...row, kind, doc, example: `10.1.0.0/16 dev eth0 ${example}` }) satisfies ValueRow<Metric>;

export const metricRows = {
  mtu: metric(number(65_535), "Greatest packet; locked, path MTU discovery is not tried.", "mtu lock 1400"),
  window: metric(number(), "Greatest window to advertise, in bytes.", "window 10000"),
  rtt: metric(time(8), "First estimate of the round trip; without a unit in eighths of a millisecond.", "rtt 200ms"),
  rttvar: metric(
    time(4),
    "First estimate of its variance; without a unit in quarters of a millisecond.",
    "rttvar 50ms",
  ),
  ssthresh: metric(number(), "First slow-start threshold.", "ssthresh 100"),
  cwnd: metric(number(), "Greatest congestion window; counts when it is locked.", "cwnd lock 100"),
  advmss: metric(number(65_535), "MSS to advertise.", "advmss 1300"),
  reordering: metric(number(), "First reordering that is not taken for loss.", "reordering 5"),
  hoplimit: metric(number(255), "TTL or hop limit of what is sent.", "hoplimit 64"),
  initcwnd: metric(number(), "First congestion window, in segments.", "initcwnd 10"),
  rto_min: metric(time(1), "Least retransmission timeout; without a unit in milliseconds.", "rto_min 200ms"),
  initrwnd: metric(number(), "First receive window, in segments.", "initrwnd 10"),
  quickack: {
    ...row,
    kind: switched,
    doc: "Acknowledges at once.",
    example: "10.1.0.0/16 dev eth0 quickack 1",
  } satisfies ValueRow<number>,
  fastopen_no_cookie: {
    ...row,
    kind: switched,
    doc: "TCP Fast Open without a cookie.",
    example: "10.1.0.0/16 dev eth0 fastopen_no_cookie 1",
  } satisfies ValueRow<number>,
  features: {
    ...row,
    kind: features,
    doc: "Switches explicit congestion notification on.",
    example: "10.1.0.0/16 dev eth0 features ecn",
  } satisfies ValueRow<number>,
  congctl: {
    ...row,
    kind: congestionControl,
    doc: "Congestion control of TCP.",
    example: "10.1.0.0/16 dev eth0 congctl cubic",
  } satisfies ValueRow<{ readonly name: string; readonly locked: boolean }>,
} as const;

type MetricOptions = Options<typeof metricRows>;

const RTAX = {
  mtu: 2,
  window: 3,
  rtt: 4,
  rttvar: 5,
  ssthresh: 6,
  cwnd: 7,
  advmss: 8,
  reordering: 9,
  hoplimit: 10,
  initcwnd: 11,
  rto_min: 13,
  initrwnd: 14,
} as const;
const RTAX_LOCK = 1;
const RTAX_QUICKACK = 15;
const RTAX_CC_ALGO = 16;
const RTAX_FASTOPEN_NO_COOKIE = 17;

/** By RTAX_* number, in their order; the bits of RTAX_LOCK are those numbers' too. */
export function metricsOf(options: MetricOptions): Readonly<Record<number, number>> {
  const values: Record<number, number> = {};
  let lock = 0;
  for (const [name, attribute] of Object.entries(RTAX) as [keyof typeof RTAX, number][]) {
    const option = options[name];
    if (option === undefined) continue;
    values[attribute] = option.value.value;
    if (option.value.locked) lock |= 1 << attribute;
  }
  if (options.quickack !== undefined) values[RTAX_QUICKACK] = options.quickack.value;
  if (options.fastopen_no_cookie !== undefined) values[RTAX_FASTOPEN_NO_COOKIE] = options.fastopen_no_cookie.value;
  if (options.congctl?.value.locked === true) lock |= 1 << RTAX_CC_ALGO;
  if (lock !== 0) values[RTAX_LOCK] = lock;
  return values;
}
