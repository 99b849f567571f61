import { ok } from "../../../core/result.ts";
import type { DnsType } from "../../check.types.ts";
import { choice, invalid, oneWord } from "../kinds.ts";
import { blockTable, MAN, type ValueRow } from "../row.ts";
import { dnsTimingRows } from "../timing.ts";
import { connectionRows } from "./connection.ts";

/** DNS_CHECK */

const value = { shape: "value", status: "implemented", reference: MAN, reload: "live" } as const;

/** RFC 1035 2.3.4: of a label, and of a name as it is written. */
const LABEL_BYTES_MAX = 63;
const NAME_BYTES_MAX = 253;

const domainName = oneWord("<NAME>", (word) => {
  const { text } = word;
  const bare = text.replace(/\.$/, "");
  const labels = bare === "" ? [] : bare.split(".");
  const wrong =
    text === "" ||
    bare.length > NAME_BYTES_MAX ||
    labels.some((label) => label === "" || label.length > LABEL_BYTES_MAX || !/^[\x21-\x7e]+$/.test(label));
  return wrong ? invalid(word, "is no domain name", "write it so: www.example.org, or . for the root") : ok(text);
});

export const dnsCheckTable = blockTable("DNS_CHECK", {
  ...connectionRows,
  ...dnsTimingRows,
  type: {
    ...value,
    kind: choice("type of DNS_CHECK", ["A", "NS", "CNAME", "SOA", "MX", "TXT", "AAAA"]),
    default: "SOA",
    doc: "Type of the records to ask for.",
    example: "type A",
  } satisfies ValueRow<DnsType>,
  name: {
    ...value,
    kind: domainName,
    default: ".",
    doc: "Domain name to ask for.",
    example: "name www.example.org",
  } satisfies ValueRow<string>,
});
