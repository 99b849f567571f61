import { createSocket, type RemoteInfo, type Socket as UdpSocket } from "node:dgram";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decode, encode } from "dns-packet";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { CheckConfig, DnsCheckConfig, MiscCheckConfig, SmtpCheckConfig } from "../../src/config/check.types.ts";
import { ip } from "../../src/core/ip.ts";
import type { ProbeOutcome } from "../../src/health/types.ts";
import { loadAddon } from "../../src/io/addon.ts";
import { type Checkers, createCheckers } from "../../src/io/checkers/index.ts";
import { HostScripts } from "../../src/io/scripts/runner.ts";
import { recordingLogger } from "../lab/recordingLogger.ts";
import { waitFor } from "../lab/wait.ts";
import { probeWith, timing } from "./checkersRig.ts";
import { closedPort, listening } from "./checkersServers.ts";

/** The checkers beside HTTP's, against servers on the loopback that do well and badly. */

const HOST = "127.0.0.9";
const TIMEOUT_MS = 2_000;
const SHORT_MS = 200;

let scripts: HostScripts;
let checkers: Checkers;
const closers: (() => void)[] = [];

beforeEach(() => {
  scripts = new HostScripts(
    { enableScriptSecurity: false, scriptUser: undefined },
    { logger: recordingLogger().logger },
  );
  checkers = createCheckers({ addon: loadAddon, scripts });
});
afterEach(async () => {
  checkers.close();
  for (const close of closers.splice(0)) close();
  await scripts.close();
});

const probe = (check: CheckConfig): Promise<ProbeOutcome> => probeWith(checkers, check);

/** A TCP server that does this with each connection. */
async function tcpServer(behave: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    behave(socket);
  });
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return listening(server, HOST);
}

/** A UDP server that answers what `reply` says; undefined = nothing. */
async function udpServer(reply: (data: Buffer) => Uint8Array | undefined): Promise<{ port: number; got: Buffer[] }> {
  const got: Buffer[] = [];
  const socket: UdpSocket = createSocket("udp4");
  socket.on("message", (data: Buffer, { port, address }: RemoteInfo) => {
    got.push(data);
    const answer = reply(data);
    if (answer !== undefined) socket.send(answer, port, address);
  });
  await new Promise<void>((resolve) => socket.bind(0, HOST, resolve));
  closers.push(() => socket.close());
  return { port: socket.address().port, got };
}

describe("SMTP_CHECK", () => {
  const smtp = (port: number, timeoutMs = TIMEOUT_MS): SmtpCheckConfig => ({
    kind: "SMTP_CHECK",
    connectIp: ip(HOST),
    connectPort: port,
    heloName: "checker.example",
    timing: timing(timeoutMs),
  });

  interface Behaviour {
    readonly greeting?: string;
    readonly ehlo?: string;
    readonly helo?: string;
  }

  async function mailServer({ greeting, ehlo, helo }: Behaviour): Promise<{ port: number; lines: string[] }> {
    const lines: string[] = [];
    const port = await tcpServer((socket) => {
      socket.write(greeting ?? "220 mail.example ESMTP\r\n");
      let text = "";
      socket.on("data", (data) => {
        text += data.toString("latin1");
        for (let end = text.indexOf("\r\n"); end >= 0; end = text.indexOf("\r\n")) {
          const line = text.slice(0, end);
          text = text.slice(end + 2);
          lines.push(line);
          if (line.startsWith("EHLO")) socket.write(ehlo ?? "250-mail.example\r\n250-STARTTLS\r\n250 SIZE 1000\r\n");
          else if (line.startsWith("HELO")) socket.write(helo ?? "250 mail.example\r\n");
          else if (line === "QUIT") socket.end("221 bye\r\n");
        }
      });
    });
    return { port, lines };
  }

  test("greeting, EHLO, QUIT; nothing is encrypted", async () => {
    const { port, lines } = await mailServer({ greeting: "220-first\r\n220 second\r\n" });
    expect(await probe(smtp(port))).toEqual({ kind: "smtpReply", code: 250, text: "SIZE 1000" });
    await waitFor(() => lines.length === 2, { what: "QUIT" });
    expect(lines).toEqual(["EHLO checker.example", "QUIT"]);
  });

  test("HELO where EHLO is refused", async () => {
    const { port, lines } = await mailServer({ ehlo: "502 not implemented\r\n" });
    expect(await probe(smtp(port))).toEqual({ kind: "smtpReply", code: 250, text: "mail.example" });
    expect(lines.slice(0, 2)).toEqual(["EHLO checker.example", "HELO checker.example"]);
  });

  test.each<[string, Behaviour, object]>([
    ["a greeting that refuses", { greeting: "554 go away\r\n" }, { kind: "smtpReply", code: 554, text: "go away" }],
    [
      "HELO refused",
      { ehlo: "500 no\r\n", helo: "550 not you\r\n" },
      { kind: "smtpReply", code: 550, text: "not you" },
    ],
    ["another protocol", { greeting: "SSH-2.0-OpenSSH_9.2\r\n" }, { kind: "malformed" }],
    ["a line without end", { greeting: "220 ".padEnd(5_000_000, "x") }, { kind: "malformed" }],
  ])("%s", async (_, behaviour, outcome) => {
    expect(await probe(smtp((await mailServer(behaviour)).port))).toMatchObject(outcome);
  });

  test("refused, closed, silent, dripping", async () => {
    expect(await probe(smtp(await closedPort()))).toMatchObject({ kind: "refused" });
    expect(await probe(smtp(await tcpServer((socket) => socket.end())))).toMatchObject({ kind: "reset" });
    expect(await probe(smtp(await tcpServer(() => undefined), SHORT_MS))).toMatchObject({ kind: "timedOut" });
    const drip = await tcpServer((socket) => {
      const timer = setInterval(() => socket.write("2"), 20);
      closers.push(() => clearInterval(timer));
    });
    expect(await probe(smtp(drip, SHORT_MS))).toMatchObject({ kind: "timedOut" });
  });
});

describe("DNS_CHECK", () => {
  const dns = (port: number, timeoutMs = TIMEOUT_MS): DnsCheckConfig => ({
    kind: "DNS_CHECK",
    connectIp: ip(HOST),
    connectPort: port,
    type: "A",
    name: "www.example.org",
    timing: timing(timeoutMs),
  });
  const QR = 1 << 15;
  const response = (data: Buffer, change: { id?: number; flags?: number; answers?: boolean } = {}): Buffer => {
    const { id = 0, questions } = decode(data);
    const answers = [{ type: "A", name: "www.example.org", data: "192.0.2.1" } as const];
    const base = { type: "response", id: id ^ (change.id ?? 0), flags: change.flags ?? 0 } as const;
    return encode({ ...base, questions: questions ?? [], answers: change.answers === false ? [] : answers });
  };

  test("asks for the name and type with recursion desired", async () => {
    const { port, got } = await udpServer((data) => response(data));
    expect(await probe(dns(port))).toEqual({ kind: "dnsReply", responseCode: "NOERROR", answers: 1 });
    const [question] = got.map((data) => decode(data));
    expect(question).toMatchObject({ flag_rd: true, questions: [{ type: "A", name: "www.example.org" }] });
  });

  test("the root", async () => {
    const { port, got } = await udpServer((data) => response(data, { answers: false }));
    expect(await probe({ ...dns(port), type: "SOA", name: "." })).toEqual({
      kind: "dnsReply",
      responseCode: "NOERROR",
      answers: 0,
    });
    expect(got[0]?.subarray(12).toString("hex")).toBe("0000060001");
  });

  test.each([
    [2, "SERVFAIL"],
    [3, "NXDOMAIN"],
    [5, "REFUSED"],
  ])("response code %i is %s", async (flags, responseCode) => {
    const { port } = await udpServer((data) => response(data, { flags, answers: false }));
    expect(await probe(dns(port))).toEqual({ kind: "dnsReply", responseCode, answers: 0 });
  });

  test("another identifier, and a question in place of a response, are not heard", async () => {
    const other = await udpServer((data) => response(data, { id: 1 }));
    expect(await probe(dns(other.port, SHORT_MS))).toMatchObject({ kind: "timedOut" });
    const echo = await udpServer((data) => data);
    expect(await probe(dns(echo.port, SHORT_MS))).toMatchObject({ kind: "timedOut" });
  });

  test("garbage, cut short and endless", async () => {
    const short = await udpServer(() => Buffer.from("hello"));
    expect(await probe(dns(short.port))).toMatchObject({ kind: "malformed" });
    const looping = await udpServer((data) => {
      const head = Buffer.from(data.subarray(0, 12));
      head.writeUInt16BE(QR, 2);
      // A name that points at itself (RFC 1035 4.1.4).
      return Buffer.concat([head, Buffer.from([0xc0, 0x0c, 0, 1, 0, 1])]);
    });
    expect(await probe(dns(looping.port))).toMatchObject({ kind: "malformed" });
  });

  test("nobody listens: refused, by ICMP", async () => {
    expect(await probe(dns(await closedUdpPort()))).toMatchObject({ kind: "refused" });
  });
});

async function closedUdpPort(): Promise<number> {
  const socket = createSocket("udp4");
  await new Promise<void>((resolve) => socket.bind(0, HOST, resolve));
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  return port;
}

describe("UDP_CHECK", () => {
  const udp = (port: number, payload: string | undefined, timeoutMs = TIMEOUT_MS): CheckConfig => ({
    ...{ kind: "UDP_CHECK", connectIp: ip(HOST), connectPort: port, payload },
    ...{ reply: undefined, timing: timing(timeoutMs) },
  });

  test("sends its payload, and hears the first datagram that comes back", async () => {
    const { port, got } = await udpServer((data) => Buffer.concat([Buffer.from("OK"), data]));
    const outcome = await probe(udp(port, "120f03"));
    expect(got.map((data) => data.toString("hex"))).toEqual(["120f03"]);
    expect(outcome.kind === "datagram" && Buffer.from(outcome.data).toString("hex")).toBe("4f4b120f03");
  });

  test("32 random bytes without one", async () => {
    const { port, got } = await udpServer(() => Buffer.alloc(0));
    for (let round = 0; round < 2; round++) {
      expect(await probe(udp(port, undefined))).toMatchObject({ kind: "datagram" });
    }
    expect(got.map(({ length }) => length)).toEqual([32, 32]);
    expect(got[0]?.equals(got[1] ?? Buffer.alloc(0))).toBe(false);
  });

  test("nobody listens: refused; silence: timedOut", async () => {
    expect(await probe(udp(await closedUdpPort(), "00"))).toMatchObject({ kind: "refused" });
    const { port } = await udpServer(() => undefined);
    expect(await probe(udp(port, "00", SHORT_MS))).toMatchObject({ kind: "timedOut" });
  });

  test("comes from bindto and bind_port, again and again", async () => {
    const from: string[] = [];
    const socket = createSocket("udp4");
    socket.on("message", (data, { address, port }) => {
      from.push(`${address}:${port}`);
      socket.send(data, port, address);
    });
    await new Promise<void>((resolve) => socket.bind(0, HOST, resolve));
    closers.push(() => socket.close());
    const bindPort = await closedUdpPort();
    for (let round = 0; round < 2; round++) {
      const check = { ...udp(socket.address().port, "00"), bindIp: ip("127.0.0.8"), bindPort };
      expect(await probe(check)).toMatchObject({ kind: "datagram" });
    }
    expect(from).toEqual([`127.0.0.8:${bindPort}`, `127.0.0.8:${bindPort}`]);
  });
});

describe("MISC_CHECK", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "holdfast-misc-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** A program with these lines of sh. */
  function program(lines: string): string {
    const path = join(folder, "check.sh");
    writeFileSync(path, `#!/bin/sh\n${lines}\n`, { mode: 0o755 });
    return path;
  }
  const misc = (words: readonly string[], timeoutMs = 10_000): MiscCheckConfig => ({
    kind: "MISC_CHECK",
    command: { arguments: words, user: undefined, group: undefined },
    dynamic: false,
    timing: timing(timeoutMs),
  });

  test.each([0, 1, 2, 255])("exit status %i", async (status) => {
    expect(await probe(misc([program('exit "$1"'), String(status)]))).toEqual({ kind: "exited", status });
  });

  test("no shell reads its arguments, and it has no capabilities", async () => {
    const check = program(
      '[ "$1" = "; exit 3 #" ] || exit 4\ngrep -q "^CapAmb:.*[1-9a-f]" /proc/self/status && exit 5\nexit 0',
    );
    expect(await probe(misc([check, "; exit 3 #"]))).toEqual({ kind: "exited", status: 0 });
  });

  test("one that runs too long is killed with its children", async () => {
    const check = program(`sleep 600 &\necho $! > ${folder}/child\nwait`);
    expect(await probe(misc([check], 1_000))).toMatchObject({ kind: "timedOut" });
    const child = Number((await import("node:fs")).readFileSync(join(folder, "child"), "utf8"));
    await waitFor(() => !isAlive(child), { what: "the end of its child", timeoutMs: 10_000 });
  });

  test("one that is killed, and one that is not there", async () => {
    expect(await probe(misc([program("kill -9 $$")]))).toEqual({ kind: "signalled", signal: "SIGKILL" });
    expect(await probe(misc([join(folder, "missing")]))).toMatchObject({ kind: "cannotRun" });
  });

  test("closing the checkers ends it", async () => {
    const outcome = probe(misc([program("sleep 600")]));
    checkers.close();
    expect(await outcome).toMatchObject({ kind: "cannotRun" });
  });
});

function isAlive(processId: number): boolean {
  try {
    process.kill(processId, 0);
    return true;
  } catch {
    return false;
  }
}

describe("pgsql", () => {
  const pgsql = (port: number): CheckConfig => ({
    ...{ kind: "pgsql", connectIp: ip(HOST), connectPort: port, timing: timing(TIMEOUT_MS), role: "any", user: "x" },
    ...{ password: undefined, database: "postgres", tls: undefined },
  });
  /** AuthenticationOk with a length of its own, ErrorResponse: https://www.postgresql.org/docs/15/protocol-message-formats.html */
  const head = (type: string, length: number): Buffer => {
    const bytes = Buffer.alloc(5);
    bytes.write(type, 0, "latin1");
    bytes.writeUInt32BE(length, 1);
    return bytes;
  };

  test("a message without an end ends the check, not the memory", async () => {
    const port = await tcpServer((socket) => {
      socket.write(head("R", 0x7fff_ffff));
      const more = (): void => void (socket.destroyed || socket.write(Buffer.alloc(16_384), more));
      more();
    });
    expect(await probe(pgsql(port))).toEqual({ kind: "malformed", detail: "the answer is too long" });
  });

  test("words of a refusal are one line, without what a terminal obeys", async () => {
    const fields = Buffer.from(`SFATAL\0VFATAL\0C57P03\0Mgo\naway \x1b[2Jnow${"y".repeat(500)}\0\0`, "latin1");
    const port = await tcpServer((socket) => socket.end(Buffer.concat([head("E", fields.length + 4), fields])));
    const outcome = await probe(pgsql(port));
    expect(outcome).toMatchObject({
      kind: "sqlError",
      sqlState: "57P03",
      message: expect.stringMatching(/^go away {2}\[2Jnowy+$/),
    });
    expect(JSON.stringify(outcome).length).toBeLessThan(300);
  });

  test("a server that closes is a reset", async () => {
    expect(await probe(pgsql(await tcpServer((socket) => socket.end())))).toMatchObject({ kind: "reset" });
  });
});
