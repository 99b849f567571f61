import type { PatroniCheckConfig, TlsConfig } from "../check.types.ts";
import type { tlsTable } from "../keywords/checkers/patroni.ts";
import type { BlockValues, Written, WrittenOrDefault } from "../keywords/row.ts";
import type { RealServerConfig } from "../types.ts";
import type { ParsedPatroni, ParsedServer, ParsedService } from "./parsed.ts";
import { buildTiming } from "./timing.ts";
import { firstWritten } from "./written.ts";

/** `patroni` of a real server: its own block's keywords, else those of the block of its virtual server. */

/** The blocks that a server's check comes from, innermost first; none = it has no such check. */
export function patroniBlocks(server: ParsedServer, service: ParsedService): readonly ParsedPatroni[] {
  return [server.values.patroni.at(-1), service.values.patroni.at(-1)].filter((block) => block !== undefined);
}

/** None where neither block is there, or has a role (the rules have said so). */
export function buildPatroniCheck(
  { address }: Pick<RealServerConfig, "address">,
  server: ParsedServer,
  service: ParsedService,
): readonly PatroniCheckConfig[] {
  const blocks = patroniBlocks(server, service);
  const [inner] = blocks;
  const role = optional(blocks, "role");
  if (inner === undefined || role === undefined) return [];
  const bindIp = optional(blocks, "bindto");
  const check: PatroniCheckConfig = {
    kind: "patroni",
    connectIp: optional(blocks, "connect_ip") ?? address,
    connectPort: defaulted(blocks, "port"),
    ...(bindIp === undefined ? {} : { bindIp }),
    role,
    maxLagBytes: optional(blocks, "max_lag"),
    respectsNoLoadBalance: defaulted(blocks, "noloadbalance"),
    unknownHold: defaulted(blocks, "on_unknown"),
    tls: buildTls(blocks),
    credentials: buildCredentials(blocks),
    timing: buildTiming(
      blocks.map(({ values }) => values),
      [server.values, service.values],
    ),
  };
  return [check];
}

/** The same question to the same member, judged by the second role; how far it is behind does not matter there. */
export function buildFallback(
  endpoint: Pick<RealServerConfig, "address">,
  server: ParsedServer,
  service: ParsedService,
): RealServerConfig["fallback"] {
  const [check] = buildPatroniCheck(endpoint, server, service);
  const role = service.values.fallback?.value.role;
  return check === undefined || role === undefined ? undefined : { ...check, role, maxLagBytes: undefined };
}

type Values = ParsedPatroni["values"];
type KeysOf<Kind> = { [Key in keyof Values]: Values[Key] extends Kind ? Key : never }[keyof Values];
type ValueOf<Key extends keyof Values> = NonNullable<Values[Key]> extends WrittenOrDefault<infer Value> ? Value : never;

/** The innermost value of a keyword without a default. */
export function optional<Key extends KeysOf<WrittenOrDefault<unknown> | undefined>>(
  blocks: readonly ParsedPatroni[],
  key: Key,
): ValueOf<Key> | undefined {
  return writtenOf(blocks, key)?.value;
}

/** The innermost written value of a keyword, with its place. */
export function writtenOf<Key extends KeysOf<WrittenOrDefault<unknown> | undefined>>(
  blocks: readonly ParsedPatroni[],
  key: Key,
): Written<ValueOf<Key>> | undefined {
  const found = blocks.map(({ values }) => values[key]).find((each) => each?.written === true);
  return found as Written<ValueOf<Key>> | undefined;
}

function defaulted<Key extends KeysOf<WrittenOrDefault<unknown>>>(
  blocks: readonly ParsedPatroni[],
  key: Key,
): ValueOf<Key> {
  const values = blocks.map((block) => block.values[key] as WrittenOrDefault<ValueOf<Key>>);
  const [first] = values;
  if (first === undefined) throw new Error("no block");
  return firstWritten(values, first);
}

function buildTls(blocks: readonly ParsedPatroni[]): TlsConfig | undefined {
  return tlsOf(blocks.flatMap(({ values }) => values.tls.at(-1)?.values ?? []));
}

/** The files of `tls` blocks, innermost first; undefined where there is none. */
export function tlsOf(tables: readonly BlockValues<typeof tlsTable.rows>[]): TlsConfig | undefined {
  if (tables.length === 0) return undefined;
  const written = (key: keyof (typeof tables)[number]): string | undefined =>
    tables.map((table) => table[key]).find((each) => each !== undefined)?.value;
  return {
    caFile: written("ca"),
    serverName: written("server_name"),
    certificateFile: written("certificate"),
    keyFile: written("key"),
  };
}

function buildCredentials(blocks: readonly ParsedPatroni[]): PatroniCheckConfig["credentials"] {
  const user = optional(blocks, "user");
  const password = optional(blocks, "password");
  return user === undefined || password === undefined ? undefined : { user, password };
}
