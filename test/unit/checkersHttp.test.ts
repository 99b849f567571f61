import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { createServer as createPlainServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer, type TLSSocket, type TlsOptions } from "node:tls";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { CheckTlsConfig, HttpCheckConfig, HttpRegexConfig, HttpUrlConfig } from "../../src/config/check.types.ts";
import { ip } from "../../src/core/ip.ts";
import { probeKey } from "../../src/health/configure.ts";
import type { HttpAnswer, ProbeOutcome } from "../../src/health/types.ts";
import { BODY_LIMIT_BYTES } from "../../src/health/types.ts";
import { loadAddon } from "../../src/io/addon.ts";
import { Attempt } from "../../src/io/checkers/attempt.ts";
import { type Checkers, createCheckers } from "../../src/io/checkers/index.ts";
import { REGEX_LIMIT_BYTES } from "../../src/io/checkers/regexSearch.ts";
import { type Certificate, createCertificate } from "./certificates.ts";
import { noScripts, probeWith, timing } from "./checkersRig.ts";
import { closedPort, listening, serve, type TestServer } from "./checkersServers.ts";

const HOST = "127.0.0.9";
const TIMEOUT_MS = 2_000;
const PASSWORD = "only for this test";

let folder: string;
let own: Certificate;
let other: Certificate;
let checkers: Checkers;
const closers: (() => Promise<void>)[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "holdfast-tls-"));
  own = createCertificate(folder, "own.example");
  other = createCertificate(folder, "other.example", PASSWORD);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeEach(() => {
  checkers = createCheckers({ addon: loadAddon, scripts: noScripts });
});
afterEach(async () => {
  checkers.close();
  await Promise.all(closers.splice(0).map((close) => close()));
});

function http(port: number, url: Partial<HttpUrlConfig> = {}, more: Partial<HttpCheckConfig> = {}): HttpCheckConfig {
  const urls = [{ path: "/health", statusCodes: [{ from: 200, to: 299 }], ...url }];
  return { kind: "HTTP_GET", connectIp: ip(HOST), connectPort: port, urls, timing: timing(TIMEOUT_MS), ...more };
}

async function answerOf(check: HttpCheckConfig): Promise<HttpAnswer> {
  const outcome = await probeWith(checkers, check);
  if (outcome.kind !== "answered" || outcome.answers[0] === undefined) throw new Error(JSON.stringify(outcome));
  return outcome.answers[0];
}

async function serving(body: string | Buffer): Promise<TestServer> {
  const server = await serve((socket) => {
    socket.write("HTTP/1.0 200 OK\r\n\r\n");
    socket.end(body);
  });
  closers.push(() => server.close());
  return server;
}

const regex = (source: string, more: Partial<HttpRegexConfig> = {}): HttpRegexConfig => ({
  written: source,
  source,
  flags: "",
  noMatch: false,
  minOffset: 0,
  maxOffset: undefined,
  ...more,
});

describe("a probe that begins where the one before ends", () => {
  /** What two probes of one check find, the second begun in the moment in which the first tells its outcome. */
  function twice(check: HttpCheckConfig): Promise<readonly ProbeOutcome[]> {
    return new Promise((resolve) => {
      const spec = { key: probeKey(check), check };
      checkers.run(spec, (first) => checkers.run(spec, (second) => resolve([first, second])));
    });
  }

  test("behind a refused connection is a probe like any other", async () => {
    expect(await twice(http(await closedPort()))).toMatchObject([{ kind: "refused" }, { kind: "refused" }]);
  });

  test("behind an answer, too", async () => {
    const { port } = await serving("fine");
    expect(await twice(http(port))).toMatchObject([{ kind: "answered" }, { kind: "answered" }]);
  });
});

test("an outcome is told before the probe's sockets close, which they do also when telling fails", () => {
  const order: string[] = [];
  const settled = (tell: () => void): Promise<void> =>
    new Promise((resolve) => {
      const done = (): void => {
        order.push("told");
        tell();
      };
      const attempt = new Attempt(timing(TIMEOUT_MS), { running: new Set(), done });
      attempt.onEnd(() => order.push("closed"));
      setImmediate(() => {
        try {
          attempt.settle({ kind: "connected" });
        } catch (error) {
          order.push(String(error));
        }
        resolve();
      });
    });
  const failing = (): void => {
    throw new Error("of the listener");
  };
  return settled(() => undefined)
    .then(() => settled(failing))
    .then(() => expect(order).toEqual(["told", "closed", "told", "closed", "Error: of the listener"]));
});

test("what a listener throws in the midst of undici's answer is an uncaught exception, as anywhere else", async () => {
  const { port } = await serving("fine");
  const check = http(port);
  const others = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  try {
    const caught = new Promise((resolve) => process.once("uncaughtException", resolve));
    checkers.run({ key: probeKey(check), check }, () => {
      throw new Error("of the listener");
    });
    expect(await caught).toMatchObject({ message: "of the listener" });
  } finally {
    process.removeAllListeners("uncaughtException");
    for (const each of others) process.on("uncaughtException", each);
  }
});

describe("digest", () => {
  test("is the MD5 of the whole body, also of one that is longer than what is kept", async () => {
    const body = "x".repeat(BODY_LIMIT_BYTES + 100_000);
    const digest = createHash("md5").update(body).digest("hex");
    const { port } = await serving(body);
    expect(await answerOf(http(port, { digest: "0".repeat(32) }))).toMatchObject({ digest, bodyTruncated: true });
  });

  test("of a chunked answer is that of what the chunks hold", async () => {
    const server = await serve((socket) => {
      socket.end("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    });
    closers.push(() => server.close());
    const digest = createHash("md5").update("abc").digest("hex");
    expect((await answerOf(http(server.port, { digest: "0".repeat(32) }))).digest).toBe(digest);
  });

  test("is not made where no check asks for it", async () => {
    const { port } = await serving("abc");
    expect(await answerOf(http(port))).not.toHaveProperty("digest");
  });
});

describe("regex", () => {
  const HEAD = "HTTP/1.0 200 OK\r\n\r\n";
  const BODY = "hello needle world\n";
  const match = async (wanted: HttpRegexConfig, body: string | Buffer = BODY) =>
    (await answerOf(http((await serving(body)).port, { regex: wanted }))).match;

  test.each<[HttpRegexConfig, number | undefined]>([
    [regex("needle"), 25],
    [regex("^HTTP/1.0 200 OK"), 0],
    [regex("NEEDLE"), undefined],
    [regex("NEEDLE", { flags: "i" }), 25],
    [regex("needle", { minOffset: 25 }), 25],
    [regex("needle", { minOffset: 26 }), undefined],
    [regex("needle", { maxOffset: 25 }), 25],
    [regex("needle", { maxOffset: 24 }), undefined],
    [regex("(?<=o )needle", { minOffset: 25 }), 25],
    [regex("^needle", { minOffset: 25 }), undefined],
  ])("%j is found at %s", async (wanted, offset) => {
    expect(await match(wanted)).toEqual(offset === undefined ? { kind: "none" } : { kind: "found", offset });
  });

  test("searches behind what is kept of the body, and no further than a mebibyte", async () => {
    expect(await match(regex("needle"), `${"x".repeat(200_000)}needle`)).toEqual({
      kind: "found",
      offset: HEAD.length + 200_000,
    });
    const huge = `${"x".repeat(REGEX_LIMIT_BYTES)}needle`;
    expect(await match(regex("needle"), huge)).toMatchObject({ kind: "gaveUp", why: expect.stringContaining("bytes") });
  });

  test("counts bytes, and characters with the flag u", async () => {
    expect(await match(regex("needle"), "äöü needle")).toEqual({ kind: "found", offset: HEAD.length + 7 });
    expect(await match(regex("needle", { flags: "u" }), "äöü needle")).toEqual({
      kind: "found",
      offset: HEAD.length + 4,
    });
    expect(await match(regex("ü n"), "äöü needle")).toEqual({ kind: "found", offset: HEAD.length + 4 });
    expect(await match(regex("\\xff\\xfe"), Buffer.from([0x41, 0xff, 0xfe]))).toEqual({
      kind: "found",
      offset: HEAD.length + 1,
    });
  });

  test("that backtracks without end is given up in a tenth of a second", async () => {
    const check = http((await serving(`${"a".repeat(60)}b`)).port, { regex: regex("(a+)+\n") });
    const from = performance.now();
    expect((await answerOf(check)).match).toMatchObject({ kind: "gaveUp", why: expect.stringContaining("100 ms") });
    expect(performance.now() - from).toBeLessThan(1_500);
  });
});

describe("http_protocol", () => {
  test.each([
    [undefined, "1.1", true],
    ["1.1", "1.1", true],
    ["1.0C", "1.0", true],
    ["1.0", "1.0", false],
  ] as const)("%s", async (httpProtocol, version, closes) => {
    const server = await serving("ok");
    await answerOf(http(server.port, {}, httpProtocol === undefined ? {} : { httpProtocol }));
    const [request = ""] = server.requests;
    expect(request.split("\r\n")[0]).toBe(`GET /health HTTP/${version}`);
    expect(/^connection: close\r$/im.test(request)).toBe(closes);
    expect(request).toMatch(/^host: 127\.0\.0\.9:\d+\r$/im);
  });
});

describe("SSL_GET", () => {
  interface TlsServer {
    readonly port: number;
    /** Of each handshake: the name that the client sent, and whether it showed a certificate. */
    readonly handshakes: { readonly name: string | false | null; readonly subject: string | undefined }[];
  }

  async function tlsServer(options: TlsOptions = {}): Promise<TlsServer> {
    const handshakes: TlsServer["handshakes"] = [];
    const server = createServer(
      { cert: readFileSync(own.certificate), key: readFileSync(own.key), ...options },
      (socket: TLSSocket) => {
        const subject = socket.getPeerCertificate().subject?.CN;
        handshakes.push({ name: socket.servername, subject: typeof subject === "string" ? subject : undefined });
        socket.on("error", () => undefined);
        socket.once("data", () => socket.end("HTTP/1.0 200 OK\r\n\r\nsecret"));
      },
    );
    server.on("tlsClientError", () => undefined);
    const port = await listening(server, HOST);
    closers.push(() => new Promise((resolve) => server.close(() => resolve())));
    return { port, handshakes };
  }

  const tls = (more: Partial<CheckTlsConfig> = {}): Partial<HttpCheckConfig> => ({
    tls: { sendServerName: false, ...more },
  });
  const outcomeOf = (check: HttpCheckConfig): Promise<ProbeOutcome> => probeWith(checkers, check);

  test("asks over TLS and verifies nothing without a ca", async () => {
    const server = await tlsServer();
    expect(await answerOf(http(server.port, {}, tls()))).toMatchObject({ status: 200, body: "secret" });
    expect(server.handshakes).toEqual([{ name: false, subject: undefined }]);
  });

  test("verifies against its ca", async () => {
    const { port } = await tlsServer();
    expect(await outcomeOf(http(port, {}, tls({ ca: own.certificate })))).toMatchObject({ kind: "answered" });
    expect(await outcomeOf(http(port, {}, tls({ ca: other.certificate })))).toEqual({
      kind: "tlsFailed",
      detail: "DEPTH_ZERO_SELF_SIGNED_CERT",
    });
  });

  test("reads its files again when they have changed", async () => {
    const { port } = await tlsServer();
    const ca = join(folder, "ca.pem");
    const put = (name: string): void => renameSync(createCertificate(folder, name).certificate, ca);
    put("first");
    expect(await outcomeOf(http(port, {}, tls({ ca })))).toMatchObject({ kind: "tlsFailed" });
    renameSync(own.certificate, ca);
    expect(await outcomeOf(http(port, {}, tls({ ca })))).toMatchObject({ kind: "answered" });
    renameSync(ca, own.certificate);
    expect(await outcomeOf(http(port, {}, tls({ ca })))).toMatchObject({
      kind: "cannotRun",
      detail: expect.stringContaining("ENOENT"),
    });
  });

  test("presents its certificate, with a key that has a password", async () => {
    const server = await tlsServer({ requestCert: true, rejectUnauthorized: false });
    const files = { certificate: other.certificate, key: other.key };
    expect(await outcomeOf(http(server.port, {}, tls({ ...files, password: PASSWORD })))).toMatchObject({
      kind: "answered",
    });
    expect(server.handshakes).toMatchObject([{ subject: "other.example" }]);
    expect(await outcomeOf(http(server.port, {}, tls(files)))).toMatchObject({ kind: "cannotRun" });
  });

  test("sends the virtualhost's name where it is to, without its port, and never an address", async () => {
    const server = await tlsServer();
    for (const virtualHost of ["a.example:8443", "10.0.0.1"]) {
      await answerOf(http(server.port, { virtualHost }, tls({ sendServerName: true })));
    }
    await answerOf(http(server.port, {}, tls({ sendServerName: true })));
    expect(server.handshakes.map(({ name }) => name)).toEqual(["a.example", false, false]);
  });

  /** Whatever it is told, it does this with each connection. */
  async function plainServer(behave: (socket: Socket) => void): Promise<number> {
    const sockets = new Set<Socket>();
    const server: Server = createPlainServer((socket) => {
      sockets.add(socket);
      socket.on("error", () => undefined);
      behave(socket);
    });
    closers.push(() => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    });
    return listening(server, HOST);
  }

  test("a server that speaks no TLS, one that says nothing, one that closes", async () => {
    const plain = await plainServer((socket) => socket.once("data", () => socket.end("HTTP/1.0 200 OK\r\n\r\nhello")));
    expect(await outcomeOf(http(plain, {}, tls()))).toMatchObject({ kind: "tlsFailed" });
    const silent = await plainServer(() => undefined);
    expect(await outcomeOf(http(silent, {}, { ...tls(), timing: timing(200) }))).toMatchObject({ kind: "timedOut" });
    const closing = await plainServer((socket) => socket.end());
    expect(await outcomeOf(http(closing, {}, tls()))).toMatchObject({ kind: "reset" });
    expect(await outcomeOf(http(1, {}, tls()))).toMatchObject({ kind: "refused" });
  });
});
