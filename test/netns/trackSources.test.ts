import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { loadAddon } from "../../src/io/addon.ts";
import { hostFiles } from "../../src/io/track/fileWatch.ts";
import { HostProcesses } from "../../src/io/track/hostProcesses.ts";
import { createNetwork } from "../lab/netns.ts";
import { runProcess, startProcess } from "../lab/processes.ts";
import { requires } from "../lab/requires.ts";
import { projectRoot } from "../lab/root.ts";
import { waitFor } from "../lab/wait.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "holdfast-track-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

requires("root")("the host's processes", () => {
  /** Whether the connector can be had is the machine's: a container is in a network namespace of its own. */
  async function watching(): Promise<{ processes: HostProcesses; changes: () => number }> {
    let changes = 0;
    const processes = new HostProcesses(loadAddon());
    processes.start({ commandLines: true, onChange: () => void changes++ });
    await waitFor(() => processes.mode() === "events" || processes.whyPolling()?.includes("refused") === true, {
      what: "an answer of the process connector",
    });
    return { processes, changes: () => changes };
  }

  test("a program that starts, changes its name, becomes another program and ends", async () => {
    const program = join(folder, "hf-tracked");
    copyFileSync("/bin/sh", program);
    const { processes } = await watching();
    const found = (pid: number) => [...processes.processes()].find(({ id }) => id === pid);
    const words = ["-c", "read a; printf hf-renamed > /proc/$$/comm; read b; exec sleep 4320"];
    const child = await startProcess(program, words);
    await waitFor(() => found(child.pid)?.name === "hf-tracked", {
      what: "the process",
      found: () => found(child.pid),
    });
    expect(found(child.pid)?.commandLine).toEqual([program, ...words]);
    child.writeInput("\n");
    await waitFor(() => found(child.pid)?.name === "hf-renamed", { what: "its new name" });
    child.writeInput("\n");
    await waitFor(() => found(child.pid)?.name === "sleep", { what: "its new program" });
    expect(found(child.pid)?.commandLine).toEqual(["sleep", "4320"]);
    await child.stop();
    await waitFor(() => found(child.pid) === undefined, { what: "its end" });
    processes.stop();
    expect([...processes.processes()]).toEqual([]);
  });

  test("threads are no processes, zombies do not run", async () => {
    const { processes } = await watching();
    // A shell that becomes a program which never waits for its child.
    const parent = await startProcess("sh", ["-c", "sh -c 'exit 0' hf-zombie & echo $!; exec sleep 1000"]);
    const [, zombie] = await parent.waitForOutput(/(\d+)\n/);
    await waitFor(() => spawnSync("cat", [`/proc/${zombie}/stat`], { encoding: "utf8" }).stdout.includes(") Z "), {
      what: "the zombie",
    });
    await waitFor(() => ![...processes.processes()].some(({ id }) => id === Number(zombie)), { what: "its absence" });
    const threads = spawnSync("ls", [`/proc/${process.pid}/task`], { encoding: "utf8" })
      .stdout.trim()
      .split("\n");
    const known = new Set([...processes.processes()].map(({ id }) => String(id)));
    expect(threads.length).toBeGreaterThan(1);
    expect(threads.filter((id) => known.has(id))).toEqual([String(process.pid)]);
    processes.stop();
    await parent.stop();
  });

  test("many processes at once: the picture is complete in the end", async () => {
    const { processes } = await watching();
    const running = (): number =>
      [...processes.processes()].filter(({ commandLine }) => commandLine.includes("4321")).length;
    const parent = await startProcess("sh", [
      "-c",
      "i=0; while [ $i -lt 200 ]; do sleep 4321 & i=$((i+1)); done; wait",
    ]);
    await waitFor(() => running() === 200, { what: "200 processes", found: running, timeoutMs: 30_000 });
    parent.kill();
    await waitFor(() => running() === 0, { what: "their end", found: running, timeoutMs: 30_000 });
    processes.stop();
  });
});

requires("netns")("in a network namespace, where the kernel has no process connector", () => {
  test("processes are polled, and the reason is told", async () => {
    const network = await createNetwork({ prefix: "track", hosts: [{ name: "kad1", addresses: ["10.0.2.1/24"] }] });
    const child = await startProcess("sleep", ["4322"]);
    try {
      const program = `
        import { loadAddon } from ${JSON.stringify(join(projectRoot, "dist/io/addon.js"))};
        import { HostProcesses } from ${JSON.stringify(join(projectRoot, "dist/io/track/hostProcesses.js"))};
        const processes = new HostProcesses(loadAddon());
        const seen = () => [...processes.processes()].some(({ id }) => id === ${child.pid});
        processes.start({ commandLines: false, onChange: () => console.log(seen() ? "up" : "down", processes.mode(), processes.whyPolling()) });`;
      const watcher = await network.host("kad1").start(process.execPath, ["--input-type=module", "-e", program]);
      await watcher.waitForOutput(/up polling the kernel's process connector is refused here/);
      await child.stop();
      await watcher.waitForOutput("down polling");
      await watcher.stop();
    } finally {
      child.kill();
      network.remove();
    }
  });
});

const text = (path: string): string | undefined => {
  const read = hostFiles.read(path);
  return read.kind === "text" ? read.text.trim() : read.kind;
};

test("a watched file: written, replaced, removed, created, in a folder that comes and goes, behind a link", async () => {
  const inner = join(folder, "sub");
  mkdirSync(inner);
  const path = join(inner, "value");
  let seen: string | undefined;
  const unwatch = hostFiles.watch(path, () => {
    seen = text(path);
  });
  const becomes = async (value: string): Promise<void> => {
    await waitFor(() => seen === value, { what: `the value ${value}`, found: () => seen });
  };
  try {
    writeFileSync(path, "1\n");
    await becomes("1");
    writeFileSync(`${path}.new`, "2\n");
    renameSync(`${path}.new`, path);
    await becomes("2");
    rmSync(path);
    await becomes("missing");
    renameSync(inner, join(folder, "moved"));
    mkdirSync(inner);
    writeFileSync(path, "3\n");
    await becomes("3");
    const target = join(folder, "target");
    writeFileSync(target, "4\n");
    rmSync(path);
    symlinkSync(target, path);
    await becomes("4");
    writeFileSync(target, "5\n");
    await becomes("5");
  } finally {
    unwatch();
  }
});

test("a value is read within a fraction of a second of its writing, and not between the two steps of a writing", async () => {
  const path = join(folder, "value");
  writeFileSync(path, "7\n");
  const seen: (string | undefined)[] = [];
  const unwatch = hostFiles.watch(path, () => void seen.push(text(path)));
  try {
    writeFileSync(path, "");
    writeFileSync(path, "8\n");
    await waitFor(() => seen.includes("8"), { what: "the value", timeoutMs: 1_500 });
    expect(seen).not.toContain("");
  } finally {
    unwatch();
  }
});

test("init_file: created when it is not there, left when it is, overwritten when asked; a fifo does not stop us", async () => {
  const path = join(folder, "value");
  expect(hostFiles.initialize(path, "1\n", false)).toBe(true);
  expect(hostFiles.initialize(path, "2\n", false)).toBe(false);
  expect(text(path)).toBe("1");
  expect(hostFiles.initialize(path, "3\n", true)).toBe(true);
  expect(text(path)).toBe("3");
  expect(() => hostFiles.initialize(join(folder, "no/such"), "1", false)).toThrow("ENOENT");
  const fifo = join(folder, "fifo");
  await runProcess("mkfifo", [fifo]);
  expect(hostFiles.read(fifo)).toEqual({ kind: "text", text: "" });
});
