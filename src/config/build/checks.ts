import { durationUs } from "../../core/units.ts";
import type { CheckConfig, CheckPath, CheckTiming, PgsqlCheckConfig } from "../check.types.ts";
import type { RealServerConfig } from "../types.ts";
import { buildHttp } from "./httpCheck.ts";
import type {
  ParsedFile,
  ParsedFileCheck,
  ParsedMisc,
  ParsedPgsql,
  ParsedServer,
  ParsedService,
  ParsedTcp,
} from "./parsed.ts";
import { tlsOf } from "./patroni.ts";
import { buildTiming } from "./timing.ts";

/** The checkers of a real server. */

export interface CheckContext {
  readonly endpoint: { readonly address: RealServerConfig["address"]; readonly port: number };
  readonly server: ParsedServer;
  readonly service: ParsedService;
  readonly file: Pick<ParsedFile, "SSL" | "track_file">;
  /** `checker_log_all_failures`: of checks that do not say. */
  readonly logAllFailures: boolean;
}

export function buildChecks(context: CheckContext): readonly CheckConfig[] {
  return writtenChecks(context.server).flatMap((check) => buildCheck(check, context));
}

/** A checker that connects, or sends packets, somewhere. */
export type WrittenPathCheck = WrittenOf<(typeof PATH_KINDS)[number]>;
export type WrittenCheck = WrittenOf<(typeof ALL_KINDS)[number]>;

const PATH_KINDS = [
  "HTTP_GET",
  "SSL_GET",
  "TCP_CHECK",
  "SMTP_CHECK",
  "pgsql",
  "DNS_CHECK",
  "UDP_CHECK",
  "PING_CHECK",
] as const;
const ALL_KINDS = [...PATH_KINDS, "MISC_CHECK", "FILE_CHECK"] as const;

/** A block of each of these kinds. */
type WrittenOf<Kinds extends (typeof ALL_KINDS)[number]> = {
  readonly [Kind in Kinds]: { readonly kind: Kind; readonly parsed: ParsedServer["values"][Kind][number] };
}[Kinds];

/** The rows of a block are kept by keyword; the text's order is restored, so that status lists checks as written. */
export function writtenChecks(server: ParsedServer): readonly WrittenCheck[] {
  return blocksOf(server, ALL_KINDS).toSorted(
    ({ parsed: a }, { parsed: b }) => a.at.line - b.at.line || a.at.column - b.at.column,
  );
}

export const pathChecks = (server: ParsedServer): readonly WrittenPathCheck[] => blocksOf(server, PATH_KINDS);

/** Loops, since a server has one or two of them and there may be thousands of servers. */
function blocksOf<Kind extends (typeof ALL_KINDS)[number]>(
  { values }: ParsedServer,
  kinds: readonly Kind[],
): WrittenOf<Kind>[] {
  const found: WrittenOf<Kind>[] = [];
  for (const kind of kinds) for (const parsed of values[kind]) found.push({ kind, parsed });
  return found;
}

function buildCheck(check: WrittenCheck, context: CheckContext): readonly CheckConfig[] {
  switch (check.kind) {
    case "MISC_CHECK":
      return buildMisc(check.parsed.values, context);
    case "FILE_CHECK":
      return buildFileCheck(check.parsed.values, context);
    default:
      return buildPathCheck(check, context);
  }
}

function buildPathCheck(check: WrittenPathCheck, context: CheckContext): readonly CheckConfig[] {
  const { values } = check.parsed;
  const common = buildCommon(values, context);
  const path = { ...buildPath(values, context.endpoint), ...common };
  switch (check.kind) {
    case "HTTP_GET":
    case "SSL_GET":
      return [{ kind: "HTTP_GET", ...path, ...buildHttp(check, context) }];
    case "TCP_CHECK":
    case "PING_CHECK":
      return [{ kind: check.kind, ...path }];
    case "SMTP_CHECK": {
      const { host: hosts, helo_name } = check.parsed.values;
      const paths = hosts.map((host) => buildPath({ ...values, ...writtenOf(host.values) }, context.endpoint));
      return (paths.length === 0 ? [path] : paths).map((each) => ({
        kind: "SMTP_CHECK",
        ...each,
        ...common,
        heloName: helo_name.value,
      }));
    }
    case "pgsql":
      return buildPgsql(check.parsed.values, path);
    case "DNS_CHECK": {
      const { type, name, delay_before_retry } = check.parsed.values;
      const written = [
        delay_before_retry,
        context.server.values.delay_before_retry,
        context.service.values.delay_before_retry,
      ];
      const { timing } = path;
      const delayBeforeRetry = written.find((each) => each !== undefined)?.value ?? timing.delayLoop;
      return [
        { kind: "DNS_CHECK", ...path, timing: { ...timing, delayBeforeRetry }, type: type.value, name: name.value },
      ];
    }
    case "UDP_CHECK": {
      const { payload, require_reply, min_reply_length, max_reply_length } = check.parsed.values;
      const lengths = { lengthMin: min_reply_length.value, lengthMax: max_reply_length.value };
      const reply = require_reply === undefined ? undefined : { pattern: require_reply.value, ...lengths };
      return [{ kind: "UDP_CHECK", ...path, payload: payload?.value, reply }];
    }
  }
}

/** None where it has no user (the rules have said so). */
function buildPgsql(
  { role, user, password, dbname, tls }: ParsedPgsql["values"],
  path: Omit<PgsqlCheckConfig, "kind" | "role" | "user" | "password" | "database" | "tls">,
): readonly CheckConfig[] {
  if (user === undefined) return [];
  const login = { user: user.value, password: password?.value, database: dbname.value };
  return [{ kind: "pgsql", ...path, ...login, role: role.value, tls: tlsOf(tls.map(({ values }) => values)) }];
}

/** What a block writes, without what it leaves to others. */
function writtenOf<Values extends object>(values: Values): Partial<Values> {
  return Object.fromEntries(Object.entries(values).filter(([, each]) => each !== undefined)) as Partial<Values>;
}

function buildMisc(values: ParsedMisc["values"], context: CheckContext): readonly CheckConfig[] {
  const { misc_path, misc_timeout, misc_dynamic, user } = values;
  if (misc_path === undefined) return [];
  const { timing, ...common } = buildCommon({ ...values, connect_timeout: undefined }, context);
  const command = { arguments: misc_path.value, user: user?.value.user, group: user?.value.group };
  const connectTimeout = misc_timeout?.value ?? timing.delayLoop;
  return [
    { kind: "MISC_CHECK", ...common, timing: { ...timing, connectTimeout }, command, dynamic: misc_dynamic.value },
  ];
}

const NO_TIMING: CheckTiming = {
  delayLoop: durationUs(0),
  connectTimeout: durationUs(0),
  retry: 0,
  delayBeforeRetry: durationUs(0),
  warmup: durationUs(0),
};

function buildFileCheck(
  { track_file, weight }: ParsedFileCheck["values"],
  { file }: CheckContext,
): readonly CheckConfig[] {
  if (track_file === undefined) return [];
  const defined = file.track_file.find(({ header }) => header === track_file.value.text)?.values.weight.value;
  const { weight: factor, reverse } = weight?.value ?? defined ?? { weight: 1, reverse: undefined };
  const turned = reverse ?? (weight === undefined ? undefined : defined?.reverse) ?? false;
  return [
    { kind: "FILE_CHECK", timing: NO_TIMING, file: track_file.value.text, weight: turned ? -factor + 0 : factor },
  ];
}

type PathValues = Pick<
  ParsedTcp["values"],
  "connect_ip" | "connect_port" | "bindto" | "bind_port" | "bind_if" | "fwmark"
>;

/** What is not written is absent, so that a configuration compares and prints as its text says. */
function buildPath(values: PathValues, endpoint: CheckContext["endpoint"]): CheckPath {
  const { connect_ip, connect_port, bindto, bind_port, bind_if, fwmark } = values;
  return {
    connectIp: connect_ip?.value ?? endpoint.address,
    connectPort: connect_port?.value ?? endpoint.port,
    ...(bindto === undefined ? {} : { bindIp: bindto.value }),
    ...(bind_port === undefined ? {} : { bindPort: bind_port.value }),
    ...(bind_if === undefined ? {} : { bindInterface: bind_if.value }),
    ...(fwmark === undefined ? {} : { firewallMark: fwmark.value }),
  };
}

/** MISC_CHECK has another deadline, and DNS_CHECK no delay_before_retry of its own. */
type TimingValues = Pick<ParsedTcp["values"], "delay_loop" | "retry" | "warmup" | "log_all_failures"> & {
  readonly connect_timeout: ParsedTcp["values"]["connect_timeout"] | undefined;
  readonly delay_before_retry: ParsedTcp["values"]["delay_before_retry"] | undefined;
};

function buildCommon(values: TimingValues, { server, service, logAllFailures }: CheckContext) {
  const logs = values.log_all_failures.written ? values.log_all_failures.value : logAllFailures;
  return {
    timing: buildTiming([withDefaults(values)], [server.values, service.values]),
    ...(logs ? { logAllFailures: true } : {}),
  };
}

/** The rows of a checker have the defaults; where it has none of a keyword, that of another says how long. */
function withDefaults(values: TimingValues) {
  const instead = { value: values.delay_loop.value, written: false } as const;
  return {
    ...values,
    connect_timeout: values.connect_timeout ?? instead,
    delay_before_retry: values.delay_before_retry ?? instead,
  };
}
