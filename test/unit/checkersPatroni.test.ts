import { copyFileSync, readFileSync, rmSync } from "node:fs";
import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createHttpsServer, type ServerOptions } from "node:https";
import { TLSSocket } from "node:tls";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { PatroniCheckConfig, TlsConfig } from "../../src/config/check.types.ts";
import { ip } from "../../src/core/ip.ts";
import { milliseconds } from "../../src/core/units.ts";
import { probeKey } from "../../src/health/configure.ts";
import type { ProbeOutcome } from "../../src/health/types.ts";
import { loadAddon } from "../../src/io/addon.ts";
import { type Checkers, createCheckers } from "../../src/io/checkers/index.ts";
import { Authority, type Certificate } from "../lab/certificates.ts";
import { requires } from "../lab/requires.ts";
import { patroniCheck } from "../sim/healthRig.ts";
import { patroniBody } from "../sim/patroniAnswers.ts";
import { noScripts } from "./checkersRig.ts";
import { closedPort, listening } from "./checkersServers.ts";

const HOST = "127.0.0.9";
const BODY = patroniBody({ role: "replica" });
const REPLICA = { kind: "answered", answers: [{ path: "/leader", status: 503, body: BODY, bodyTruncated: false }] };

let checkers: Checkers;
let server: Server | undefined;

beforeEach(() => {
  checkers = createCheckers({ addon: loadAddon, scripts: noScripts });
});
afterEach(async () => {
  checkers.close();
  server?.closeAllConnections();
  await new Promise((resolve) => (server === undefined ? resolve(undefined) : server.close(resolve)));
  server = undefined;
});

interface Asked {
  readonly line: string;
  readonly authorization: string | undefined;
  /** SNI, and the name of the client's certificate. */
  readonly serverName: string | undefined;
  readonly client: string | undefined;
}

/** A member's REST API: a replica's answer to everything; what it was asked is kept. */
async function serveMember(tls?: ServerOptions): Promise<{ readonly port: number; readonly asked: Asked[] }> {
  const asked: Asked[] = [];
  const listener = ({ method, url, headers, socket }: IncomingMessage, response: ServerResponse): void => {
    const secure = socket instanceof TLSSocket ? socket : undefined;
    const serverName = typeof secure?.servername === "string" ? secure.servername : undefined;
    const client = secure?.getPeerCertificate().subject?.CN?.toString();
    asked.push({ line: `${method} ${url}`, authorization: headers.authorization, serverName, client });
    response.writeHead(503, { connection: "close" }).end(BODY);
  };
  server = tls === undefined ? createHttpServer(listener) : createHttpsServer(tls, listener);
  return { port: await listening(server, HOST), asked };
}

function check(port: number, change: Partial<PatroniCheckConfig> = {}): PatroniCheckConfig {
  const { timing, ...base } = patroniCheck(3, "replica");
  return {
    ...base,
    connectIp: ip(HOST),
    connectPort: port,
    timing: { ...timing, connectTimeout: milliseconds(3_000) },
    ...change,
  };
}

function probe(config: PatroniCheckConfig): Promise<ProbeOutcome> {
  return new Promise((resolve, reject) => {
    let returned = false;
    checkers.run({ key: probeKey(config), check: config }, (outcome) => {
      if (returned) resolve(outcome);
      else reject(new Error("the outcome came before run returned"));
    });
    returned = true;
  });
}

describe("a patroni check", () => {
  test("asks /leader, takes 503 for an answer and brings the body", async () => {
    const { port, asked } = await serveMember();
    expect(await probe(check(port))).toEqual(REPLICA);
    expect(asked).toMatchObject([{ line: "GET /leader", authorization: undefined }]);
  });

  test("with user and password authenticates (RFC 7617)", async () => {
    const { port, asked } = await serveMember();
    await probe(check(port, { credentials: { user: "holdfast", password: "geheim:ü" } }));
    expect(asked[0]?.authorization).toBe(`Basic ${Buffer.from("holdfast:geheim:ü").toString("base64")}`);
  });

  test("nobody there is refused", async () => {
    expect(await probe(check(await closedPort()))).toMatchObject({ kind: "refused" });
  });
});

requires("openssl")("a patroni check by TLS", () => {
  let authority: Authority;
  let stranger: Authority;
  let member: Certificate;
  let client: Certificate;
  beforeAll(() => {
    authority = new Authority();
    stranger = new Authority("somebody else");
    member = authority.sign("pg1", `DNS:pg1.example.org,IP:${HOST}`);
    client = authority.sign("client", "DNS:lb1.example.org");
  });
  afterAll(() => {
    authority?.remove();
    stranger?.remove();
  });

  const files = ({ certificateFile, keyFile }: Certificate): ServerOptions => ({
    cert: readFileSync(certificateFile),
    key: readFileSync(keyFile),
  });
  const tls = (change: Partial<TlsConfig> = {}): Partial<PatroniCheckConfig> => ({
    tls: { caFile: authority.caFile, serverName: undefined, certificateFile: undefined, keyFile: undefined, ...change },
  });

  test("verifies the address, or the name that it also sends", async () => {
    const { port, asked } = await serveMember(files(member));
    expect(await probe(check(port, tls()))).toEqual(REPLICA);
    expect(await probe(check(port, tls({ serverName: "pg1.example.org" })))).toEqual(REPLICA);
    expect(asked.map(({ serverName }) => serverName)).toEqual([undefined, "pg1.example.org"]);
  });

  test("another name, another authority, no TLS at all: no answer, with the reason", async () => {
    const { port, asked } = await serveMember(files(member));
    const failed = async (change: Partial<TlsConfig>, why: string) =>
      expect(await probe(check(port, tls(change)))).toMatchObject({
        kind: "tlsFailed",
        detail: expect.stringContaining(why),
      });
    await failed({ serverName: "pg2.example.org" }, "pg2.example.org");
    await failed({ caFile: stranger.caFile }, "certificate");
    await failed({ caFile: undefined }, "certificate");
    expect(asked).toEqual([]);
    await new Promise((resolve) => server?.close(resolve));
    const plain = await serveMember();
    expect(await probe(check(plain.port, tls()))).toMatchObject({ kind: "tlsFailed" });
  });

  test("shows its own certificate where the member wants one, and fails without", async () => {
    const wanting = {
      ...files(member),
      ca: readFileSync(authority.caFile),
      requestCert: true,
      rejectUnauthorized: true,
    };
    const { port, asked } = await serveMember(wanting);
    expect(await probe(check(port, tls(client)))).toEqual(REPLICA);
    expect(asked[0]?.client).toBe("client");
    // By TLS 1.3 the member refuses after the handshake: its alert may be lost to the end of the connection.
    expect(["tlsFailed", "reset"]).toContain((await probe(check(port, tls()))).kind);
  });

  test("reads the files again when they change, without anybody telling it", async () => {
    const caFile = `${authority.folder}/renewed.pem`;
    copyFileSync(stranger.caFile, caFile);
    const { port } = await serveMember(files(member));
    const config = check(port, tls({ caFile }));
    expect(await probe(config)).toMatchObject({ kind: "tlsFailed" });
    copyFileSync(authority.caFile, caFile);
    expect(await probe(config)).toEqual(REPLICA);
    rmSync(caFile);
    expect(await probe(config)).toMatchObject({ kind: "cannotRun", detail: expect.stringContaining(caFile) });
    copyFileSync(authority.caFile, caFile);
    expect(await probe(config)).toEqual(REPLICA);
  });

  test("a file that is no certificate is named", async () => {
    const { port } = await serveMember(files(member));
    const outcome = await probe(check(port, tls({ certificateFile: "/etc/hostname", keyFile: member.keyFile })));
    expect(outcome).toMatchObject({ kind: "cannotRun", detail: expect.stringContaining("/etc/hostname") });
  });

  test("the deadline holds during the handshake", async () => {
    const { createServer } = await import("node:net");
    const silent = createServer();
    const port = await listening(silent, HOST);
    const started = performance.now();
    const { timing, ...rest } = check(port, tls());
    const outcome = await probe({ ...rest, timing: { ...timing, connectTimeout: milliseconds(200) } });
    expect(outcome.kind).toBe("timedOut");
    expect(performance.now() - started).toBeLessThan(1_500);
    silent.close();
  });
});
