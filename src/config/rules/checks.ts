import { family } from "../../core/ip.ts";
import { pathChecks } from "../build/checks.ts";
import type { ParsedFile, ParsedHttp, ParsedServer, ParsedService } from "../build/parsed.ts";
import { placeOf } from "../build/written.ts";
import type { DiagnosticList } from "../diagnostics.ts";
import { NO_REGEX_OPTIONS, regexFault } from "../keywords/checkers/regex.ts";
import { shown } from "../keywords/kinds.ts";
import { isLinkLocal } from "./addresses.ts";
import { certificateHasItsKey } from "./patroni.ts";
import { reportUnknownName } from "./tracking.ts";

/** Rules between the keywords of a real server's checkers. */

type CheckRule = (
  server: ParsedServer,
  service: ParsedService,
  found: DiagnosticList,
  file: Pick<ParsedFile, "track_file">,
) => void;

export const portOf = (server: ParsedServer, service: ParsedService): number =>
  server.header.port ?? (service.header.kind === "address" ? (service.header.port ?? 0) : 0);

/** Nothing tells where to ask: neither the check, nor the server, nor its service. */
const checksHaveAPort: CheckRule = (server, service, found) => {
  if (portOf(server, service) !== 0) return;
  for (const { kind, parsed: check } of pathChecks(server)) {
    if (kind === "PING_CHECK" || check.seen.has("connect_port")) continue;
    if (kind === "SMTP_CHECK" && check.values.host.some((host) => host.seen.has("connect_port"))) continue;
    const message = `real_server ${server.header.address} has no port that its check could ask`;
    found.error("check-without-port", check.at, message, "write connect_port into the check, or the server's port");
  }
};

const checksBindInTheirFamily: CheckRule = (server, _service, found) => {
  for (const { parsed } of pathChecks(server)) {
    const { bindto, bind_if, connect_ip } = parsed.values;
    const target = connect_ip?.value ?? server.header.address;
    if (bindto !== undefined && family(bindto.value) !== family(target)) {
      const message = `bindto ${bindto.value} is not of the address family of ${target}, which is checked`;
      found.error("family-mismatch", bindto.at, message, "write an address of this host in that family");
    }
    const [linkLocal] = [bindto?.value ?? target, target].filter(isLinkLocal);
    if (linkLocal !== undefined && bind_if === undefined) {
      const message = `${linkLocal} is a link-local address, which says nothing without an interface`;
      found.error("missing-keyword", connect_ip?.at ?? parsed.at, message, "add it, for example: bind_if eth0");
    }
  }
};

const httpChecks = ({ values }: ParsedServer): readonly (readonly [keyword: string, check: ParsedHttp])[] => [
  ...values.HTTP_GET.map((check) => ["HTTP_GET", check] as const),
  ...values.SSL_GET.map((check) => ["SSL_GET", check] as const),
];

const urlsAreComplete: CheckRule = (server, _service, found) => {
  for (const [keyword, check] of httpChecks(server)) {
    if (!check.seen.has("url")) {
      found.error("missing-keyword", check.at, `${keyword} has no url`, "add for example: url { path /primary }");
    }
    for (const url of check.values.url) {
      if (url.seen.has("path")) continue;
      found.error("missing-keyword", url.at, "url has no path", "add it, for example: path /primary");
    }
  }
};

const OF_REGEX = ["regex_no_match", "regex_options", "regex_min_offset", "regex_max_offset"] as const;

const regexesCanMatch: CheckRule = (server, _service, found) => {
  for (const { values, seen } of httpChecks(server).flatMap(([, check]) => check.values.url)) {
    const { regex, regex_options, regex_min_offset: min, regex_max_offset: max } = values;
    if (regex === undefined) {
      if (seen.has("regex")) continue;
      const [lonely] = OF_REGEX.flatMap((keyword) => {
        const value = values[keyword];
        return value?.written === true ? { keyword, at: value.at } : [];
      });
      if (lonely === undefined) continue;
      const { keyword, at } = lonely;
      found.error("missing-keyword", at, `${keyword} has no regex`, "add it, for example: regex ok");
      continue;
    }
    const fault = regexFault(regex.value, regex_options?.value ?? NO_REGEX_OPTIONS);
    if (fault !== undefined) {
      const message = `regex ${shown(regex.value)} is no expression of JavaScript: ${fault}`;
      found.error(
        "invalid-value",
        regex.at,
        message,
        "write it in JavaScript's syntax; docs/keepalived.md says what differs",
      );
    }
    if (max !== undefined && max.value < min.value) {
      const message = `regex_max_offset ${max.value} is below regex_min_offset ${min.value}: nothing can match`;
      found.error("contradiction", max.at, message, "write a greater one");
    }
  }
};

const loginsAreComplete: CheckRule = (server, _service, found) => {
  for (const check of server.values.pgsql) {
    for (const { values } of check.values.tls) certificateHasItsKey(values, found);
    if (check.seen.has("user")) continue;
    found.error("missing-keyword", check.at, "pgsql has no user to log in as", "add it, for example: user holdfast");
  }
};

const programsAreNamed: CheckRule = (server, _service, found) => {
  for (const check of server.values.MISC_CHECK) {
    if (check.seen.has("misc_path")) continue;
    found.error("missing-keyword", check.at, "MISC_CHECK has no misc_path", "add the path of a program");
  }
};

const repliesCanFit: CheckRule = (server, _service, found) => {
  for (const { values, at } of server.values.UDP_CHECK) {
    const { require_reply, min_reply_length: min, max_reply_length: max } = values;
    for (const [keyword, length] of Object.entries({ min_reply_length: min, max_reply_length: max })) {
      if (!length.written || require_reply !== undefined) continue;
      const message = `${keyword} has no require_reply, without which no reply is looked at`;
      found.error("missing-keyword", length.at, message, "add require_reply, or remove it");
    }
    if (min.value <= max.value) continue;
    const message = `min_reply_length ${min.value} is above max_reply_length ${max.value}: no reply can fit`;
    found.error("contradiction", placeOf(min.written ? min : max, at), message, "write a greater max_reply_length");
  }
};

const filesAreTracked: CheckRule = (server, _service, found, file) => {
  const names = file.track_file.map(({ header }) => header);
  for (const check of server.values.FILE_CHECK) {
    const { track_file } = check.values;
    if (track_file === undefined) {
      if (check.seen.has("track_file")) continue;
      found.error("missing-keyword", check.at, "FILE_CHECK has no track_file", "name a track_file block");
    } else if (!names.includes(track_file.value.text)) {
      reportUnknownName("track_file", track_file.value.word, { block: "track_file", names }, found);
    }
  }
};

export const CHECK_RULES: readonly CheckRule[] = [
  checksBindInTheirFamily,
  checksHaveAPort,
  urlsAreComplete,
  regexesCanMatch,
  loginsAreComplete,
  programsAreNamed,
  repliesCanFit,
  filesAreTracked,
];
