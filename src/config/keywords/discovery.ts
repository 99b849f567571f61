import { type Ip, parseIp } from "../../core/ip.ts";
import { ok } from "../../core/result.ts";
import { type DurationUs, seconds } from "../../core/units.ts";
import type { Word } from "../lexer.ts";
import { invalid, type Parsed, port, text, timer } from "./kinds.ts";
import type { ValueKind, ValueRow } from "./row.ts";

/** `patroni_cluster`: real servers that follow the list of a cluster's members. */

const SOURCES_MAX = 16;
const NAME_BYTES = 255;
const INTERVAL_SEC = 10;
const intervalKind = timer({ minSec: 1, maxSec: 3_600 });
const scopeKind = text("NAME", NAME_BYTES);

export interface ClusterSource {
  readonly address: Ip;
  /** Undefined = that of `patroni`. */
  readonly port: number | undefined;
}

export interface ClusterLine {
  readonly sources: readonly ClusterSource[];
  readonly scope: string | undefined;
  readonly interval: DurationUs;
}

/** `10.0.2.3`, `10.0.2.3:8008`, `[2001:db8::3]:8008` */
function parseSource(word: Word): Parsed<ClusterSource> {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d+))?$/.exec(word.text) ?? [];
  const address = parseIp(word.text) ?? parseIp(bracketed ?? plain ?? "");
  if (address === undefined)
    return invalid(word, "is no address of a REST API", "write 10.0.2.3, 10.0.2.3:8008 or [2001:db8::3]:8008");
  if (digits === undefined || parseIp(word.text) !== undefined) return ok({ address, port: undefined });
  const number = port.parse([{ ...word, text: digits }]);
  return number.ok ? ok({ address, port: number.value }) : number;
}

const sourceText = ({ address, port: number }: ClusterSource): string =>
  number === undefined ? address : address.includes(":") ? `[${address}]:${number}` : `${address}:${number}`;

const clusterKind: ValueKind<ClusterLine> = {
  syntax: "<IPADDR>[:<PORT>] ... [scope <NAME>] [interval <SECONDS 1..3600>]",
  minimumWords: 1,
  maximumWords: SOURCES_MAX + 4,
  parse: (words) => {
    const rest = [...words];
    const sources: ClusterSource[] = [];
    let scope: string | undefined;
    let interval = seconds(INTERVAL_SEC);
    for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
      if (word.text === "scope" || word.text === "interval") {
        const value = rest.shift();
        if (value === undefined) return invalid(word, "has no value behind it", "write the value, or remove the word");
        const parsed = word.text === "scope" ? scopeKind.parse([value]) : intervalKind.parse([value]);
        if (!parsed.ok) return parsed;
        if (typeof parsed.value === "string") scope = parsed.value;
        else interval = parsed.value;
        continue;
      }
      const source = parseSource(word);
      if (!source.ok) return source;
      sources.push(source.value);
      if (sources.length > SOURCES_MAX)
        return invalid(
          word,
          `is one address more than ${SOURCES_MAX}`,
          "some members are enough: any of them knows all",
        );
    }
    const [first] = words;
    if (sources.length === 0 && first !== undefined)
      return invalid(first, "stands where an address is needed", "begin with the address of a member: 10.0.2.3");
    return ok({ sources, scope, interval });
  },
  format: ({ sources, scope, interval }) =>
    [
      ...sources.map(sourceText),
      ...(scope === undefined ? [] : ["scope", scope]),
      ...["interval", intervalKind.format(interval)],
    ].join(" "),
};

export const patroniClusterRow = {
  shape: "value",
  status: "native",
  reference: "holdfast",
  reload: "live",
  kind: clusterKind,
  doc: "Real servers follow the members of a Patroni cluster, as `GET /cluster` of one of these REST APIs lists them (asked in turn, every 10 s, with the TLS, user and port of `patroni`). A member is what an empty `real_server` block would be, and gets no weight before its own check has passed; one that is no longer listed goes when its own check fails, too. Answers without members, of another scope or database system, or by nobody leave the last list. Those written as `real_server` always stay. Members must tell addresses, not names.",
  example: "patroni_cluster 10.0.2.3 10.0.2.4:8008 scope article interval 10",
} as const satisfies ValueRow<ClusterLine>;
