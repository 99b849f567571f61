import { closeSync, existsSync, mkdtempSync, openSync, readSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { NotifyFifo } from "../../src/core/notify.ts";
import { loadAddon } from "../../src/io/addon.ts";
import { openNotifyFifo } from "../../src/io/notify/fifo.ts";
import { smtpSender } from "../../src/io/notify/mail.ts";
import { requires } from "../lab/requires.ts";
import { waitFor } from "../lab/wait.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "holdfast-notify-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

requires("root")("a notify FIFO", () => {
  let fifo: NotifyFifo | undefined;
  afterEach(() => fifo?.close());
  const addon = loadAddon();
  const full: string[] = [];
  const open = (path: string, owner?: { uid: number; gid: number }): NotifyFifo => {
    full.length = 0;
    fifo = openNotifyFifo(
      { path, user: undefined, group: undefined },
      { onFull: () => full.push("full") },
      { addon, owner: owner === undefined ? undefined : { ...owner, groups: [] } },
    );
    return fifo;
  };
  /** What stands in the pipe now. */
  function read(descriptor: number, bytes = 1_000_000): string {
    const buffer = Buffer.alloc(bytes);
    return buffer.toString("utf8", 0, readSync(descriptor, buffer));
  }

  test("is for its owner alone, holds lines for a reader that comes later, and is removed at the end", () => {
    const path = join(folder, "fifo");
    open(path, { uid: 65_534, gid: 65_533 });
    const found = statSync(path);
    expect(found.isFIFO()).toBe(true);
    expect([found.mode & 0o7777, found.uid, found.gid]).toEqual([0o600, 65_534, 65_533]);
    fifo?.write('INSTANCE "VI_1" BACKUP 100\n');
    fifo?.write('INSTANCE "VI_1" MASTER 100\n');
    const reader = openSync(path, "r");
    expect(read(reader)).toBe('INSTANCE "VI_1" BACKUP 100\nINSTANCE "VI_1" MASTER 100\n');
    fifo?.write('INSTANCE "VI_1" STOP 100\n');
    fifo?.close();
    expect(existsSync(path)).toBe(false);
    expect(read(reader)).toBe('INSTANCE "VI_1" STOP 100\n');
    expect(read(reader)).toBe("");
    closeSync(reader);
  });

  test("a full one blocks nobody; lines wait in order, the oldest are given up and told once; room again, and they go on", async () => {
    const path = join(folder, "fifo");
    open(path);
    const line = (i: number): string => `INSTANCE "VI_1" MASTER ${String(i).padStart(6, "0")}\n`;
    const total = 5_000;
    const startedMs = performance.now();
    for (let i = 0; i < total; i++) fifo?.write(line(i));
    expect(performance.now() - startedMs).toBeLessThan(2_000);
    const status = fifo?.status();
    expect(status?.waiting).toBe(1_024);
    expect(status?.dropped).toBe(total - (status?.written ?? 0) - 1_024);
    expect(status?.dropped).toBeGreaterThan(0);
    expect(full).toEqual(["full"]);
    const reader = openSync(path, "r+");
    let text = read(reader);
    await waitFor(
      () => {
        if ((fifo?.status().waiting ?? 0) < 1_024) text += read(reader);
        return fifo?.status().waiting === 0;
      },
      { what: "the waiting lines" },
    );
    const numbers = text
      .trimEnd()
      .split("\n")
      .map((each) => Number(each.slice(-6)));
    // A first run without gap, then the newest without gap: what was given up is one piece between them.
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
    expect(new Set(numbers).size).toBe(numbers.length);
    expect(numbers.at(-1)).toBe(total - 1);
    expect(numbers.length).toBe(total - (status?.dropped ?? 0));
    closeSync(reader);
  });

  test("one that is there already is used and stays; something else in its place is refused by name", async () => {
    const path = join(folder, "there");
    addon.makeFifo(path, 0o640);
    open(path);
    fifo?.write("x\n");
    const reader = openSync(path, "r");
    expect(read(reader)).toBe("x\n");
    closeSync(reader);
    fifo?.close();
    expect(statSync(path).mode & 0o777).toBe(0o640);
    const file = join(folder, "file");
    writeFileSync(file, "kept");
    expect(() => open(file)).toThrow(`FIFO ${file}: there is something else in its place`);
    expect(statSync(file).size).toBe(4);
    expect(() => open(join(folder, "no/such/folder"))).toThrow("ENOENT");
  });
});

/** A mail server for one test; it answers what the test says. */
async function mailServer(
  answer: (line: string) => string | undefined,
): Promise<{ port: number; said: string[]; server: Server }> {
  const said: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    let data = false;
    let pending = "";
    const say = (text: string | undefined): void => {
      if (text !== undefined) socket.write(`${text}\r\n`);
    };
    say(answer("(connect)"));
    socket.on("error", () => undefined);
    socket.on("data", (chunk) => {
      const lines = (pending + chunk.toString()).split("\r\n");
      pending = lines.pop() ?? "";
      for (const line of lines) {
        said.push(line);
        if (data && line !== ".") continue;
        data = line === "DATA";
        say(answer(line));
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = server.close.bind(server);
  server.close = (done) => {
    for (const socket of sockets) socket.destroy();
    return close(done);
  };
  return { port: (server.address() as { port: number }).port, said, server };
}

const WELCOME = (line: string): string =>
  line === "(connect)"
    ? "220 mail.example.org"
    : line === "DATA"
      ? "354 go on"
      : line === "QUIT"
        ? "221 bye"
        : "250 ok";

test("a mail arrives as it was written, with the name that was configured", async () => {
  const { port, said, server } = await mailServer(WELCOME);
  try {
    await smtpSender.send(
      { server: "127.0.0.1", port, heloName: "lb1.example.org", timeoutMs: 5_000 },
      {
        from: "lb@example.org",
        to: ["a@example.org", "b@example.org"],
        subject: "[lb1] VRRP Instance VI_1 - Entering MASTER state",
        text: "=> one <=\n\nReason: two\n",
      },
    );
  } finally {
    server.close();
  }
  expect(said).toContain("EHLO lb1.example.org");
  expect(said).toContain("MAIL FROM:<lb@example.org>");
  expect(said).toEqual(expect.arrayContaining(["RCPT TO:<a@example.org>", "RCPT TO:<b@example.org>"]));
  expect(said).toContain("Subject: [lb1] VRRP Instance VI_1 - Entering MASTER state");
  expect(said.join("\n")).toContain("\n=> one <=\n\nReason: two");
});

test.each([
  ["refuses", (line: string) => (line.startsWith("RCPT") ? "550 no such user" : WELCOME(line)), "550 no such user"],
  ["says nothing", () => undefined, /[Tt]imeout|greeting/i],
  ["goes silent in the midst", (line: string) => (line === "." ? undefined : WELCOME(line)), /[Tt]imeout/],
])("a server that %s is a failure in bounded time, in its own words", async (_title, answer, words) => {
  const { port, server } = await mailServer(answer);
  try {
    const sending = smtpSender.send(
      { server: "127.0.0.1", port, heloName: "lb1", timeoutMs: 300 },
      { from: "lb@example.org", to: ["a@example.org"], subject: "x", text: "y" },
    );
    await expect(sending).rejects.toThrow(words);
  } finally {
    server.close();
  }
});

test("a port where nobody listens is a failure", async () => {
  const { port, server } = await mailServer(WELCOME);
  await new Promise((resolve) => server.close(resolve));
  const sending = smtpSender.send(
    { server: "127.0.0.1", port, heloName: "lb1", timeoutMs: 300 },
    { from: "lb@example.org", to: ["a@example.org"], subject: "x", text: "y" },
  );
  await expect(sending).rejects.toThrow("ECONNREFUSED");
});
