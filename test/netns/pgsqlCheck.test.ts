import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import type { PgsqlCheckConfig } from "../../src/config/check.types.ts";
import { ip } from "../../src/core/ip.ts";
import type { ProbeOutcome } from "../../src/health/types.ts";
import { loadAddon } from "../../src/io/addon.ts";
import { type Checkers, createCheckers } from "../../src/io/checkers/index.ts";
import { Authority } from "../lab/certificates.ts";
import { PostgresServer } from "../lab/postgres/server.ts";
import { requires } from "../lab/requires.ts";
import { noScripts, probeWith, timing } from "../unit/checkersRig.ts";
import { closedPort } from "../unit/checkersServers.ts";

const HOST = "127.0.0.9";
const TLS = { serverName: undefined, certificateFile: undefined, keyFile: undefined };

/** The checker against PostgreSQL itself, on the loopback. */
requires(
  "root",
  "postgresql",
  "openssl",
)("pgsql", () => {
  let authority: Authority;
  let stranger: Authority;
  let server: PostgresServer;
  let port: number;
  let checkers: Checkers;

  beforeAll(async () => {
    [authority, stranger] = [new Authority(), new Authority("somebody else")];
    port = await closedPort();
    const access = [
      `hostssl all secured ${HOST}/8 trust`,
      `host all trusted ${HOST}/8 trust`,
      `host all holdfast ${HOST}/8 scram-sha-256`,
    ];
    const certificate = authority.sign("pg", `DNS:pg1.example.org,IP:${HOST}`);
    server = await PostgresServer.create({ port, address: HOST, access, certificate });
    await server.start();
    await server.query(
      "CREATE ROLE trusted LOGIN; CREATE ROLE secured LOGIN; CREATE ROLE holdfast LOGIN PASSWORD 'let me in'",
    );
  }, 120_000);
  afterAll(async () => {
    await server?.remove();
    authority?.remove();
    stranger?.remove();
  });
  beforeEach(() => {
    checkers = createCheckers({ addon: loadAddon, scripts: noScripts });
  });
  afterEach(() => checkers.close());

  const probe = (changed: Partial<PgsqlCheckConfig> = {}): Promise<ProbeOutcome> =>
    probeWith(checkers, {
      ...{ kind: "pgsql", connectIp: ip(HOST), connectPort: port, timing: timing(20_000), role: "any" },
      ...{ user: "trusted", password: undefined, database: "postgres", tls: undefined, ...changed },
    });

  test("a server that takes writes is not in recovery", async () => {
    expect(await probe()).toEqual({ kind: "recovery", recovers: false });
  });

  test("a password is told by SCRAM; a wrong one and none are refused", async () => {
    expect(await probe({ user: "holdfast", password: "let me in" })).toEqual({ kind: "recovery", recovers: false });
    expect(await probe({ user: "holdfast", password: "wrong" })).toMatchObject({ kind: "sqlError", sqlState: "28P01" });
    expect((await probe({ user: "holdfast" })).kind).not.toBe("recovery");
  });

  test("what the environment says of another server is not looked at", async () => {
    const before = { ...process.env };
    Object.assign(process.env, {
      PGHOST: "127.0.0.1",
      PGPORT: "1",
      PGUSER: "nobody",
      PGDATABASE: "none",
      PGSSLMODE: "require",
      PGPASSWORD: "let me in",
    });
    try {
      expect(await probe()).toEqual({ kind: "recovery", recovers: false });
      expect((await probe({ user: "holdfast" })).kind).not.toBe("recovery");
    } finally {
      process.env = before;
    }
  });

  test("a database that is not there is named by PostgreSQL", async () => {
    expect(await probe({ database: "nowhere" })).toMatchObject({ kind: "sqlError", sqlState: "3D000" });
  });

  test("TLS is verified by authority and by name or address", async () => {
    const ca = authority.caFile;
    const secured = { user: "secured" };
    expect(await probe({ ...secured, tls: { ...TLS, caFile: ca } })).toEqual({ kind: "recovery", recovers: false });
    expect(await probe({ ...secured, tls: { ...TLS, caFile: ca, serverName: "pg1.example.org" } })).toMatchObject({
      kind: "recovery",
    });
    expect(await probe({ ...secured, tls: { ...TLS, caFile: ca, serverName: "pg2.example.org" } })).toMatchObject({
      kind: "tlsFailed",
    });
    expect(await probe({ ...secured, tls: { ...TLS, caFile: stranger.caFile } })).toMatchObject({ kind: "tlsFailed" });
    // The server wants it of this user.
    expect(await probe(secured)).toMatchObject({ kind: "sqlError", sqlState: "28000" });
  });

  test("a hundred checks leave no session behind", async () => {
    for (let i = 0; i < 100; i++) expect((await probe()).kind).toBe("recovery");
    const { stdout } = await server.query(
      "SELECT count(*) AS sessions FROM pg_stat_activity WHERE application_name = 'holdfast'",
    );
    expect(Number(/\n\s*(\d+)\n/.exec(stdout)?.[1])).toBeLessThan(5);
  });

  test("a standby is in recovery; a server that is gone refuses the connection", async () => {
    await server.stop();
    expect(await probe()).toEqual({ kind: "refused", detail: "" });
    await server.start({ standby: true });
    expect(await probe()).toEqual({ kind: "recovery", recovers: true });
  }, 60_000);
});
