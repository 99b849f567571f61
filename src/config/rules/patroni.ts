import { family } from "../../core/ip.ts";
import type { ParsedPatroni, ParsedServer, ParsedService } from "../build/parsed.ts";
import { patroniBlocks, writtenOf } from "../build/patroni.ts";
import { buildService, type ServiceFile } from "../build/services.ts";
import type { DiagnosticList } from "../diagnostics.ts";
import { isLeaderRole } from "../exclusive.ts";
import type { SourceSpan } from "../types.ts";

/** Rules of the `patroni` checker: of each written block, and of what a server's block and its service's make together. */

export function checkPatroniRules(service: ParsedService, file: ServiceFile, found: DiagnosticList): void {
  const written = [service.values.patroni, ...service.values.real_server.map((server) => server.values.patroni)];
  for (const blocks of written) {
    oneBlockOnly(blocks, found);
    for (const block of blocks) for (const rule of BLOCK_RULES) rule(block, found);
  }
  fallbackHasTwoTiers(service, file, found);
  // What stands in the service's block alone is said once, whoever inherits it.
  const told = new Set<SourceSpan>();
  for (const server of service.values.real_server) {
    const blocks = patroniBlocks(server, service);
    if (blocks.length === 0) continue;
    for (const rule of JOINED_RULES) rule(blocks, server, { found, told });
  }
}

/** A second tier is one role beside another; where one server alone has weight there are no tiers. */
function fallbackHasTwoTiers(service: ParsedService, file: ServiceFile, found: DiagnosticList): void {
  const { fallback, real_server, patroni_cluster } = service.values;
  if (fallback === undefined) return;
  const own = service.values.patroni.slice(-1);
  const blocks = real_server.map((server) => patroniBlocks(server, service));
  const roles = (patroni_cluster === undefined ? blocks : [...blocks, own]).map(
    (each) => writtenOf(each, "role")?.value,
  );
  const why = roles.includes(undefined)
    ? "needs patroni with a role in every real server, or in the virtual server"
    : isExclusive(service, file) || roles.every((role) => role !== undefined && isLeaderRole(role))
      ? "has no effect on an exclusive service"
      : roles.every((role) => role === fallback.value.role)
        ? "names the role that patroni wants already"
        : undefined;
  if (why !== undefined)
    found.error("contradiction", fallback.at, `fallback ${why}`, "remove it, or write patroni { role replica }");
}

/** By the keyword, or because further checks of the servers ask for a leader's path. */
function isExclusive(service: ParsedService, file: ServiceFile): boolean {
  const { exclusive } = buildService(service, file);
  return exclusive === "on" || exclusive === "detected";
}

function oneBlockOnly(blocks: readonly ParsedPatroni[], found: DiagnosticList): void {
  const [first, ...others] = blocks;
  for (const { at } of others) {
    const message = `patroni is here already, in line ${first?.at.line}`;
    found.error("duplicate-block", at, message, "keep one of them: a member has one role at a time");
  }
}

/** Both or neither. */
export function certificateHasItsKey(
  { certificate, key }: Pick<ParsedPatroni["values"]["tls"][number]["values"], "certificate" | "key">,
  found: DiagnosticList,
): void {
  const alone = certificate === undefined ? key : key === undefined ? certificate : undefined;
  if (alone === undefined) return;
  const missing = certificate === undefined ? "certificate" : "key";
  found.error("missing-keyword", alone.at, `tls has no ${missing} to go with it`, `add the file: ${missing} /etc/...`);
}

function certificatesHaveTheirKeys({ values }: ParsedPatroni, found: DiagnosticList): void {
  for (const tls of values.tls) certificateHasItsKey(tls.values, found);
}

const BLOCK_RULES: readonly ((block: ParsedPatroni, found: DiagnosticList) => void)[] = [certificatesHaveTheirKeys];

interface JoinedContext {
  readonly found: DiagnosticList;
  readonly told: Set<SourceSpan>;
}

function roleIsWritten(blocks: readonly ParsedPatroni[], _: ParsedServer, { found, told }: JoinedContext): void {
  const [inner] = blocks;
  if (inner === undefined || blocks.some(({ seen }) => seen.has("role"))) return;
  once(told, inner.at, () =>
    found.error(
      "missing-keyword",
      inner.at,
      "patroni has no role",
      "add what a member must be, for example: role primary",
    ),
  );
}

/** A leader is not behind anybody, is not load-balanced, and is told by the key alone. */
function limitsFitTheRole(blocks: readonly ParsedPatroni[], _: ParsedServer, { found, told }: JoinedContext): void {
  const role = writtenOf(blocks, "role");
  if (role === undefined || !isLeaderRole(role.value)) return;
  const own = blocks.findIndex(({ values }) => values.role === role);
  for (const { values } of blocks.slice(0, own + 1)) {
    for (const keyword of ["max_lag", "noloadbalance", "on_unknown"] as const) {
      const value = values[keyword];
      if (value?.written !== true) continue;
      const message = `${keyword} has no effect with role ${role.value}`;
      once(told, value.at, () => found.error("contradiction", value.at, message, "remove one of them"));
    }
  }
}

function userHasAPassword(blocks: readonly ParsedPatroni[], _: ParsedServer, { found, told }: JoinedContext): void {
  const user = writtenOf(blocks, "user");
  const password = writtenOf(blocks, "password");
  const missing = ["user", "password"].find((keyword) => !blocks.some(({ seen }) => seen.has(keyword)));
  const [alone] = [user, password].filter((each) => each !== undefined);
  if (alone === undefined) return;
  if (missing !== undefined) {
    const message = `patroni has no ${missing} to go with it`;
    once(told, alone.at, () => found.error("missing-keyword", alone.at, message, `add it: ${missing} ...`));
  } else if (user !== undefined && !blocks.some(({ seen }) => seen.has("tls"))) {
    const message = "user and password travel in clear text with every question, because patroni has no tls";
    const remedy = "add tls { ca FILE }, or remove both";
    once(told, user.at, () => found.warning("trap-password-without-tls", user.at, message, remedy));
  }
}

function bindsInItsFamily(
  blocks: readonly ParsedPatroni[],
  server: ParsedServer,
  { found, told }: JoinedContext,
): void {
  const bindto = writtenOf(blocks, "bindto");
  const target = writtenOf(blocks, "connect_ip")?.value ?? server.header.address;
  if (bindto === undefined || family(bindto.value) === family(target)) return;
  const message = `bindto ${bindto.value} is not of the address family of ${target}, which is checked`;
  once(told, bindto.at, () =>
    found.error("family-mismatch", bindto.at, message, "write an address of this host in that family"),
  );
}

type JoinedRule = (blocks: readonly ParsedPatroni[], server: ParsedServer, context: JoinedContext) => void;
const JOINED_RULES: readonly JoinedRule[] = [roleIsWritten, limitsFitTheRole, userHasAPassword, bindsInItsFamily];

function once(told: Set<SourceSpan>, at: SourceSpan, tell: () => void): void {
  if (told.has(at)) return;
  told.add(at);
  tell();
}
