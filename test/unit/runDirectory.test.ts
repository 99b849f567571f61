import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { loadAddon } from "../../src/io/addon.ts";
import { askDaemon, type ControlServer, controlSocketPath, serveControl } from "../../src/io/controlSocket.ts";
import { RunDirectory } from "../../src/io/runDirectory.ts";

let folder: string;
const servers: ControlServer[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "holdfast-run-"));
});
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
  rmSync(folder, { recursive: true });
});

test("a second instance on the same run directory is refused and told who has it; the lock ends with its holder", () => {
  const path = join(folder, "run");
  const first = RunDirectory.open(path, loadAddon());
  expect(() => RunDirectory.open(path, loadAddon())).toThrow(`process ${process.pid}`);
  first.close();
  RunDirectory.open(path, loadAddon()).close();
  expect(statSync(path).mode & 0o777).toBe(0o750);
});

test("a run directory that cannot be made is named with the remedy", () => {
  writeFileSync(join(folder, "file"), "");
  expect(() => RunDirectory.open(join(folder, "file", "run"), loadAddon())).toThrow(/file\/run.*ENOTDIR/);
});

test("owned services survive a restart; a torn file claims nothing", () => {
  const directory = RunDirectory.open(folder, loadAddon());
  directory.writeOwnedServices(new Set(["TCP 10.0.2.10:5432"]));
  expect(directory.readOwnedServices()).toEqual(new Set(["TCP 10.0.2.10:5432"]));
  writeFileSync(join(folder, "owned-services.json"), '["TCP 10.0');
  expect(directory.readOwnedServices()).toEqual(new Set());
  directory.close();
});

test("settings that were borrowed survive a restart; a torn file remembers none", () => {
  const directory = RunDirectory.open(folder, loadAddon());
  const held = [{ name: "ipv4/vs/sloppy_tcp", before: "0", value: "1" }];
  const { ipvsSettings, interfaceSettings } = directory;
  ipvsSettings.writeBorrowedSettings(held);
  expect(ipvsSettings.readBorrowedSettings()).toEqual(held);
  expect(interfaceSettings.readBorrowedSettings()).toEqual([]);
  writeFileSync(join(folder, "borrowed-settings.json"), '[{"name":"ipv4/vs/sloppy_tcp"}]');
  expect(ipvsSettings.readBorrowedSettings()).toEqual([]);
  directory.close();
});

test("a memory that cannot be written is an operator's error, not a crash", () => {
  const directory = RunDirectory.open(join(folder, "run"), loadAddon());
  rmSync(join(folder, "run"), { recursive: true });
  expect(() => directory.writeOwnedServices(new Set(["TCP 10.0.2.10:5432"]))).toThrow(
    expect.objectContaining({ code: "runDirectoryUnusable" }),
  );
  directory.close();
});

async function serve(answer: (request: unknown) => Promise<object>): Promise<string> {
  const path = controlSocketPath(folder);
  servers.push(await serveControl(path, answer));
  return path;
}

test("requests are answered in order, an error or garbage is an answer too, and only owner and group may ask", async () => {
  const path = await serve(async (request) => {
    if (JSON.stringify(request).includes("bad")) throw new Error("no such command");
    return { ok: true, echo: request };
  });
  expect(await askDaemon(path, { command: "status" })).toEqual({ ok: true, echo: { command: "status" } });
  expect(await askDaemon(path, { command: "bad" })).toEqual({ ok: false, error: "no such command" });
  expect(statSync(path).mode & 0o777).toBe(0o660);
  const lines = await new Promise<string>((resolve) => {
    let text = "";
    const socket = createConnection(path).setEncoding("utf8");
    socket.on("data", (chunk) => {
      text += chunk;
      if (text.split("\n").length > 3) {
        socket.destroy();
        resolve(text);
      }
    });
    socket.write('{"n":1}\nnot json\n{"n":2}\n');
  });
  const answers = lines
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(answers.map(({ ok }) => ok)).toEqual([true, false, true]);
  expect(answers[2]).toEqual({ ok: true, echo: { n: 2 } });
});

test("a path longer than a socket's name can be is refused, not cut short", async () => {
  const path = controlSocketPath(join(folder, "x".repeat(120)));
  await expect(serveControl(path, async () => ({ ok: true }))).rejects.toMatchObject({ code: "runDirectoryUnusable" });
});

test("closing does not wait for a client that keeps its connection open", async () => {
  const path = controlSocketPath(folder);
  const server = await serveControl(path, async () => ({ ok: true }));
  const client = createConnection(path);
  const ended = new Promise<void>((resolve) => client.once("close", () => resolve()));
  client.on("data", () => undefined);
  await new Promise<void>((resolve) => client.once("connect", () => resolve()));
  client.write("{}\n");
  await new Promise<void>((resolve) => client.once("data", () => resolve()));
  await new Promise<void>((resolve) => server.close(() => resolve()));
  await ended;
});

test("a request without end is cut off; a leftover socket file is no obstacle; nobody there is said so", async () => {
  writeFileSync(controlSocketPath(folder), "");
  const path = await serve(async () => ({ ok: true }));
  await new Promise<void>((resolve, reject) => {
    const socket = createConnection(path);
    socket.on("error", () => undefined);
    socket.on("close", () => resolve());
    socket.on("data", () => reject(new Error("answered an endless request")));
    socket.write("x".repeat(100_000));
  });
  expect(await askDaemon(path, {})).toEqual({ ok: true });
  await expect(askDaemon(join(folder, "nobody.sock"), {})).rejects.toThrow("no holdfast answers");
});
