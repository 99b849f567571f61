import { readdirSync } from "node:fs";
import { connect, createServer } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { CheckConfig, HttpCheckConfig, HttpUrlConfig, TcpCheckConfig } from "../../src/config/check.types.ts";
import { ip } from "../../src/core/ip.ts";
import { probeKey } from "../../src/health/configure.ts";
import { BODY_LIMIT_BYTES, type ProbeOutcome } from "../../src/health/types.ts";
import { loadAddon } from "../../src/io/addon.ts";
import { failureOf } from "../../src/io/checkers/failure.ts";
import { type Checkers, createCheckers } from "../../src/io/checkers/index.ts";
import { noScripts, probeWith, timing } from "./checkersRig.ts";
import { closedPort, listening, serve, serveDroppedSyns, type TestServer } from "./checkersServers.ts";

const TIMEOUT_MS = 300;
/** What a deadline may be late on a loaded machine; undici's own timers would be 500 to 1 000 ms late. */
const LATE_MS = 200;

let checkers: Checkers;
const servers: TestServer[] = [];

beforeEach(() => {
  checkers = createCheckers({ addon: loadAddon, scripts: noScripts });
});

afterEach(async () => {
  checkers.close();
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

async function started(server: Promise<TestServer>): Promise<TestServer> {
  const running = await server;
  servers.push(running);
  return running;
}

function url(path: string, from = 200, to = 299): HttpUrlConfig {
  return { path, statusCodes: [{ from, to }] };
}

function http(
  port: number,
  urls: readonly HttpUrlConfig[] = [url("/primary")],
  timeoutMs = TIMEOUT_MS,
): HttpCheckConfig {
  return { kind: "HTTP_GET", connectIp: ip("127.0.0.9"), connectPort: port, urls, timing: timing(timeoutMs) };
}

function tcp(port: number): TcpCheckConfig {
  return { kind: "TCP_CHECK", connectIp: ip("127.0.0.9"), connectPort: port, timing: timing(TIMEOUT_MS) };
}

const probe = (check: CheckConfig): Promise<ProbeOutcome> => probeWith(checkers, check);

async function timed(check: CheckConfig): Promise<{ outcome: ProbeOutcome; tookMs: number }> {
  const from = performance.now();
  const outcome = await probe(check);
  return { outcome, tookMs: performance.now() - from };
}

async function expectTimeout(check: CheckConfig): Promise<void> {
  const { outcome, tookMs } = await timed(check);
  expect(outcome.kind).toBe("timedOut");
  expect(tookMs).toBeGreaterThanOrEqual(TIMEOUT_MS - 2);
  expect(tookMs).toBeLessThan(TIMEOUT_MS + LATE_MS);
}

const reply = (text: string) => (socket: { end(data: string): unknown }) => void socket.end(text);
const BODY = '{"role": "primary", "state": "running"}';

describe("HTTP_GET", () => {
  test("an HTTP/1.0 server that closes without a length, as Patroni's", async () => {
    const server = await started(serve(reply(`HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n${BODY}`)));
    const outcome = await probe(http(server.port, [url("/primary?x=1")]));
    const answers = [{ path: "/primary?x=1", status: 200, body: BODY, bodyTruncated: false }];
    expect(outcome).toEqual({ kind: "answered", answers });
    expect(server.requests[0]).toMatch(/^GET \/primary\?x=1 HTTP\/1\.1\r\n/);
    expect(server.requests[0]?.toLowerCase()).toContain(`host: 127.0.0.9:${server.port}`);
    expect(server.requests[0]?.toLowerCase()).toContain("connection: close");
  });

  test("a kept-alive answer ends with its length, and the next probe is a new connection", async () => {
    const server = await started(
      serve((socket) => void socket.write("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\nno")),
    );
    for (let round = 0; round < 3; round++) {
      expect(await probe(http(server.port))).toMatchObject({
        kind: "answered",
        answers: [{ status: 503, body: "no" }],
      });
    }
    expect(server.accepted()).toBe(3);
  });

  test("a chunked answer and one after 100 Continue", async () => {
    const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    const server = await started(serve(reply(`HTTP/1.1 102 Processing\r\n\r\n${chunked}`)));
    expect(await probe(http(server.port))).toMatchObject({
      kind: "answered",
      answers: [{ status: 200, body: "abcde" }],
    });
  });

  test("a redirect is an answer and is not followed", async () => {
    const server = await started(
      serve(reply("HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")),
    );
    expect(await probe(http(server.port))).toMatchObject({ kind: "answered", answers: [{ status: 302 }] });
    expect(server.requests).toHaveLength(1);
  });

  test("urls in order; the first unexpected status ends the probe", async () => {
    const statuses: Record<string, number> = { "/a": 200, "/b": 404, "/c": 200 };
    const server = await started(
      serve((socket, request) => {
        const path = request.split(" ")[1] ?? "";
        socket.end(`HTTP/1.0 ${statuses[path]} X\r\n\r\n${path}`);
      }),
    );
    const all = await probe(http(server.port, [url("/a"), url("/b", 404, 404), url("/c")]));
    expect(all.kind === "answered" && all.answers.map(({ status, body }) => [status, body])).toEqual([
      [200, "/a"],
      [404, "/b"],
      [200, "/c"],
    ]);
    const stopped = await probe(http(server.port, [url("/a"), url("/b"), url("/c")]));
    expect(stopped.kind === "answered" && stopped.answers.map(({ path }) => path)).toEqual(["/a", "/b"]);
  });

  test("a huge body is read up to the limit, then the connection is destroyed", async () => {
    let sent = 0;
    let closed = false;
    const server = await started(
      serve((socket) => {
        socket.on("close", () => {
          closed = true;
        });
        socket.write("HTTP/1.0 200 OK\r\n\r\n");
        const pour = (): void => {
          if (socket.destroyed) return;
          sent += 65_536;
          socket.write("x".repeat(65_536), () => setImmediate(pour));
        };
        pour();
      }),
    );
    const outcome = await probe(http(server.port, undefined, 5_000));
    if (outcome.kind !== "answered") throw new Error(outcome.kind);
    expect(outcome.answers[0]).toMatchObject({ status: 200, bodyTruncated: true, body: "x".repeat(BODY_LIMIT_BYTES) });
    await expect.poll(() => closed).toBe(true);
    expect(sent).toBeLessThan(20_000_000);
  });

  test("a truncated body of an earlier url does not disturb the later ones", async () => {
    const server = await started(
      serve(
        (socket, request) =>
          void socket.end(`HTTP/1.0 200 OK\r\n\r\n${request.startsWith("GET /big") ? "x".repeat(200_000) : "small"}`),
      ),
    );
    const outcome = await probe(http(server.port, [url("/big"), url("/small")], 5_000));
    if (outcome.kind !== "answered") throw new Error(outcome.kind);
    expect(outcome.answers.map(({ body, bodyTruncated }) => [body.length, bodyTruncated])).toEqual([
      [BODY_LIMIT_BYTES, true],
      [5, false],
    ]);
  });

  test("nobody listens: refused", async () => {
    expect(await probe(http(await closedPort()))).toEqual({ kind: "refused", detail: "" });
  });

  test("a reset while waiting for the answer, and one amid the body: reset", async () => {
    const silent = await started(serve((socket) => void socket.resetAndDestroy()));
    expect((await probe(http(silent.port))).kind).toBe("reset");
    const amid = await started(
      serve((socket) => {
        socket.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", () => socket.resetAndDestroy());
      }),
    );
    expect((await probe(http(amid.port))).kind).toBe("reset");
  });

  test("closed without an answer, or before the promised length: reset, never an answer", async () => {
    const empty = await started(serve((socket) => void socket.end()));
    expect((await probe(http(empty.port))).kind).toBe("reset");
    const short = await started(serve(reply("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")));
    expect((await probe(http(short.port))).kind).not.toBe("answered");
  });

  test.each([
    ["another protocol", "SSH-2.0-OpenSSH_9.2\r\n"],
    ["binary", "\u0000\u0001\u0002\u0003\u0004\u0005\r\n\r\n"],
    ["a broken status line", "HTTP/1.1 abc OK\r\n\r\n"],
    ["headers without end", `HTTP/1.1 200 OK\r\nX-A: ${"a".repeat(70_000)}`],
  ])("garbage: malformed (%s)", async (_, text) => {
    const server = await started(serve((socket) => void socket.write(text)));
    expect((await probe(http(server.port, undefined, 2_000))).kind).toBe("malformed");
  });

  test("an upgrade to another protocol is no answer", async () => {
    const server = await started(serve(reply("HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")));
    expect((await probe(http(server.port))).kind).not.toBe("answered");
  });

  test("a server that hangs: timedOut at the deadline", async () => {
    const server = await started(serve(() => undefined));
    await expectTimeout(http(server.port));
  });

  test("one that drips, in its headers or in its body: timedOut at the deadline", async () => {
    const drip = (text: string, head = "") =>
      serve((socket) => {
        socket.write(head);
        let sent = 0;
        const timer = setInterval(() => socket.write(text[sent++ % text.length] ?? ""), 20);
        socket.on("close", () => clearInterval(timer));
      });
    const headers = await started(drip("HTTP/1.1 200 OK\r\nX-Header: and so on for ever".padEnd(1_000, ".")));
    await expectTimeout(http(headers.port));
    const body = await started(drip("x", "HTTP/1.0 200 OK\r\n\r\n"));
    await expectTimeout(http(body.port));
  });

  test("the deadline is one over all urls", async () => {
    const server = await started(
      serve((socket) => void setTimeout(() => socket.end("HTTP/1.0 200 OK\r\n\r\nslow"), TIMEOUT_MS * 0.45)),
    );
    await expectTimeout(http(server.port, [url("/a"), url("/b"), url("/c")]));
  });

  test("dropped SYN: timedOut at the deadline, and the next probe is not disturbed", async () => {
    const server = await started(serveDroppedSyns((port) => connect({ host: "127.0.0.9", port })));
    await expectTimeout(http(server.port));
    await expectTimeout(http(server.port));
    await expectTimeout(tcp(server.port));
  });

  test("a probe that times out leaves nothing behind for the next one", async () => {
    let hang = true;
    const server = await started(
      serve((socket) => {
        if (!hang) socket.end("HTTP/1.0 200 OK\r\n\r\nok");
      }),
    );
    await expectTimeout(http(server.port));
    hang = false;
    expect(await probe(http(server.port))).toMatchObject({ kind: "answered", answers: [{ status: 200, body: "ok" }] });
  });

  test("an answer that came in time counts although this thread was stalled beyond the deadline", async () => {
    // The server lives in this thread too: its answer is in the kernel when it stalls us, and the deadline passes meanwhile.
    const server = await started(
      serve((socket) => {
        socket.write("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok");
        const until = performance.now() + 150;
        while (performance.now() < until);
      }),
    );
    expect((await probe(http(server.port, undefined, 50))).kind).toBe("answered");
  });

  test("a path that HTTP does not allow cannot run", async () => {
    const outcome = await probe(http(9, [url("/a b")]));
    expect(outcome.kind).toBe("cannotRun");
    expect((await probe(http(9, [url("/a b")]))).kind).toBe("cannotRun");
  });

  test("a second probe of a check in flight cannot run, and does not disturb the first", async () => {
    const server = await started(serve((socket) => void setTimeout(() => socket.end("HTTP/1.0 200 OK\r\n\r\n"), 50)));
    const [first, second] = await Promise.all([probe(http(server.port)), probe(http(server.port))]);
    expect([first.kind, second.kind]).toEqual(["answered", "cannotRun"]);
  });

  test("the Host header of each url", async () => {
    const server = await started(serve(reply("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")));
    const named = { ...url("/b"), virtualHost: "www.example.org:8080" };
    expect((await probe(http(server.port, [url("/a"), named], 30_000))).kind).toBe("answered");
    const hosts = server.requests.map((request) => request.match(/^host: .*$/gim));
    expect(hosts).toEqual([[`host: 127.0.0.9:${server.port}`], ["host: www.example.org:8080"]]);
  });

  test("over IPv6", async () => {
    const server = await started(serve(reply("HTTP/1.0 200 OK\r\n\r\nsix"), "::1"));
    const check: CheckConfig = { ...http(server.port), connectIp: ip("::1") };
    expect(await probe(check)).toMatchObject({ kind: "answered", answers: [{ body: "six" }] });
    expect(server.requests[0]?.toLowerCase()).toContain(`host: [::1]:${server.port}`);
  });
});

describe("TCP_CHECK", () => {
  test("connected, and closed in order", async () => {
    const ends: string[] = [];
    const server = createServer((socket) => {
      socket.on("error", (error) => ends.push(error.message));
      socket.on("end", () => ends.push("end"));
      socket.resume();
    });
    const port = await listening(server, "127.0.0.9");
    expect(await probe(tcp(port))).toEqual({ kind: "connected" });
    await expect.poll(() => ends).toEqual(["end"]);
    await new Promise<void>((resolve) => server.close(() => resolve()));
  });

  test("refused", async () => {
    expect(await probe(tcp(await closedPort()))).toEqual({ kind: "refused", detail: "" });
  });
});

describe("bindto", () => {
  test("is where the connections of both checkers come from", async () => {
    const from: (string | undefined)[] = [];
    const server = createServer((socket) => {
      from.push(socket.remoteAddress);
      socket
        .on("error", () => undefined)
        .resume()
        .end("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    });
    const port = await listening(server, "127.0.0.9");
    try {
      for (const bindIp of [ip("127.0.0.7"), ip("127.0.0.8")]) {
        expect((await probe({ ...tcp(port), bindIp })).kind).toBe("connected");
        await expect.poll(() => from.splice(0), { timeout: 30_000 }).toEqual([bindIp]);
        expect((await probe({ ...http(port, [url("/")], 30_000), bindIp })).kind).toBe("answered");
        expect(from.splice(0)).toEqual([bindIp]);
      }
    } finally {
      await new Promise<void>((resolve) => server.close(() => resolve()));
    }
  });

  test("and bind_port the port, again and again", async () => {
    const ports: (number | undefined)[] = [];
    const server = createServer((socket) => {
      ports.push(socket.remotePort);
      socket.on("error", () => undefined);
    });
    const port = await listening(server, "127.0.0.9");
    const bindPort = await closedPort();
    try {
      for (let round = 0; round < 3; round++) {
        expect(await probe({ ...tcp(port), bindPort })).toEqual({ kind: "connected" });
      }
      expect(ports).toEqual([bindPort, bindPort, bindPort]);
    } finally {
      server.close();
    }
  });

  test("an address that is not this host's: cannotRun, with the reason", async () => {
    const outcome = await probe({ ...tcp(await closedPort()), bindIp: ip("192.0.2.1") });
    expect(outcome).toMatchObject({ kind: "cannotRun", detail: expect.stringContaining("EADDRNOTAVAIL") });
  });

  test("checks that differ in it, or in a Host header, are different probes", () => {
    const plain = http(80);
    const named = http(80, [{ ...url("/primary"), virtualHost: "a" }]);
    const bound = { ...plain, bindIp: ip("127.0.0.7") };
    expect(new Set([plain, named, bound, tcp(80), { ...tcp(80), bindIp: ip("127.0.0.7") }].map(probeKey)).size).toBe(5);
    expect(probeKey(http(80))).toBe(probeKey(plain));
  });
});

describe("errors of our own side", () => {
  const withCode = (code: string): Error => Object.assign(new Error("x"), { code });

  test.each([
    ["EMFILE", "cannotRun"],
    ["EADDRNOTAVAIL", "cannotRun"],
    ["EPERM", "cannotRun"],
    ["EHOSTUNREACH", "unreachable"],
    ["ETIMEDOUT", "timedOut"],
    ["UND_ERR_HEADERS_OVERFLOW", "malformed"],
  ])("%s: %s", (code, kind) => expect(failureOf(withCode(code)).kind).toBe(kind));

  test("closing ends what runs, and closed checkers run nothing", async () => {
    const server = await started(serve(() => undefined));
    const running = probe(http(server.port, undefined, 10_000));
    await expect.poll(() => server.requests.length).toBe(1);
    checkers.close();
    expect((await running).kind).toBe("cannotRun");
    await expect.poll(() => openSockets()).toBeLessThanOrEqual(1);
    expect(() => checkers.run({ key: "x", check: tcp(1) }, () => undefined)).toThrow(/closed/);
    checkers = createCheckers({ addon: loadAddon, scripts: noScripts });
  });
});

test("a thousand probes of every kind leave no socket, no descriptor and no memory behind", async () => {
  const good = await started(serve(reply(`HTTP/1.0 200 OK\r\n\r\n${BODY}`)));
  const big = await started(serve(reply(`HTTP/1.0 200 OK\r\n\r\n${"x".repeat(100_000)}`)));
  const hanging = await started(serve(() => undefined));
  const resetting = await started(serve((socket) => void socket.resetAndDestroy()));
  const refused = await closedPort();
  const checks = [
    http(good.port),
    http(big.port),
    http(hanging.port, undefined, 20),
    http(resetting.port),
    http(refused),
    tcp(good.port),
    tcp(refused),
  ];
  const rounds = async (count: number): Promise<void> => {
    for (let round = 0; round < count; round++) await Promise.all(checks.map(probe));
  };
  await rounds(30);
  const heapBefore = heapAfterCollection();
  await expect.poll(openSockets).toBe(0);
  const descriptorsBefore = readdirSync("/proc/self/fd").length;
  await rounds(Math.ceil(1_000 / checks.length));
  await expect.poll(openSockets).toBe(0);
  expect(readdirSync("/proc/self/fd").length).toBeLessThanOrEqual(descriptorsBefore + 2);
  expect(heapAfterCollection() - heapBefore).toBeLessThan(3_000_000);
}, 60_000);

/** Sockets of this process, both ends of those to servers in this process. */
function openSockets(): number {
  return process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap").length;
}

function heapAfterCollection(): number {
  setFlagsFromString("--expose-gc");
  const collect: () => void = runInNewContext("gc");
  collect();
  collect();
  return process.memoryUsage().heapUsed;
}
