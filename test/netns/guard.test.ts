import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { createNetwork, type Network, type NetworkHost } from "../lab/netns.ts";
import type { RunningProcess } from "../lab/processes.ts";
import { requires } from "../lab/requires.ts";
import { projectRoot } from "../lab/root.ts";
import { waitFor } from "../lab/wait.ts";
import type { RigCommand } from "./guard/rig.ts";
import { Capture } from "./vrrp/capture.ts";

const RIG = join(projectRoot, "dist-test/test/netns/guard/rig.js");
const OWN = "10.0.2.1";
const VIPS = ["10.0.2.10", "10.0.2.11"];
const WITH_TUNNELS = join(projectRoot, "test/netns/guard/withTunnels.c");
/** The kernel needs a second or so to take away the tunnel devices of a process that ends. */
const TUNNELS = 100;

const SIGNALS = [
  "SIGTERM",
  "SIGINT",
  "SIGHUP",
  "SIGQUIT",
  "SIGUSR1",
  "SIGABRT",
  "SIGALRM",
  "SIGXCPU",
  "SIGTSTP",
] as const;
/** Every file of it. */
const SOURCES = readdirSync(join(projectRoot, "native"))
  .filter((name) => /^guard.*\.c$/.test(name))
  .map((name) => join(projectRoot, "native", name));
/** More than binding.gyp asks for: no warning is let pass here. */
const COMPILER_FLAGS = ["-std=c11", "-g", "-O1", "-Wall", "-Wextra", "-Wformat=2", "-Wconversion", "-Werror"];

/** The real guard (native/guard.c) over a process that a test kills, stops or lets misbehave. */
requires("netns", "tshark")("holdfast-guard", () => {
  let network: Network;
  let host: NetworkHost;
  let capture: Capture;
  let linkIndex: number;
  const folders: string[] = [];
  const running: RunningProcess[] = [];

  beforeAll(async () => {
    network = await createNetwork({ prefix: "guard", hosts: [{ name: "a", addresses: [`${OWN}/24`] }] });
    host = network.host("a");
    const [link] = JSON.parse(await host.ip("-json", "link", "show", "eth0")) as { ifindex: number }[];
    linkIndex = link?.ifindex ?? 0;
  });
  afterEach(async () => {
    await capture?.stop();
    for (const each of running.splice(0)) await each.stop();
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
    for (const vip of VIPS) if (await host.hasAddress(vip)) await host.ip("address", "del", `${vip}/32`, "dev", "eth0");
  });
  afterAll(() => network?.remove());

  class Rig {
    readonly process: RunningProcess;
    constructor(process: RunningProcess) {
      this.process = process;
    }
    send(command: RigCommand): void {
      this.process.writeInput(`${JSON.stringify(command)}\n`);
    }
    events(): Record<string, unknown>[] {
      const lines = this.process.stdout.split("\n").filter((line) => line.startsWith("{"));
      return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    }
    async waitFor(
      what: string,
      condition: (event: Record<string, unknown>) => boolean,
    ): Promise<Record<string, unknown>> {
      return await waitFor(() => this.events().find(condition), { what, found: () => this.process.output });
    }
    async arm(limitMs = 0): Promise<void> {
      const before = this.confirmations();
      this.send({ command: "arm", addresses: VIPS, linkIndex, source: OWN, limitMs });
      await waitFor(() => this.confirmations() > before, {
        what: "the confirmation",
        found: () => this.process.output,
      });
    }
    confirmations(): number {
      return this.events().filter((event) => event.kind === "confirmed").length;
    }
  }

  function folder(): string {
    const made = mkdtempSync(join(tmpdir(), "holdfast-guard-"));
    folders.push(made);
    return made;
  }

  async function startRig(runDirectory = folder(), options: { guard?: string; wrapper?: string[] } = {}): Promise<Rig> {
    const [command = "", ...args] = [
      ...(options.wrapper ?? []),
      process.execPath,
      RIG,
      runDirectory,
      ...(options.guard === undefined ? [] : [options.guard]),
    ];
    const rig = new Rig(await host.start(command, args));
    running.push(rig.process);
    return rig;
  }

  /** An armed rig whose guard is ready; both VIPs are on eth0. */
  async function armedRig(limitMs = 0, options: Parameters<typeof startRig>[1] = {}): Promise<Rig> {
    capture = await Capture.start(network.bridge);
    for (const vip of VIPS) await host.ip("address", "add", `${vip}/32`, "dev", "eth0");
    const rig = await startRig(folder(), options);
    await rig.waitFor("hello", ({ event }) => event === "hello");
    await rig.arm(limitMs);
    return rig;
  }

  async function addressesGone(): Promise<void> {
    await waitFor(
      async () => !(await host.hasAddress(VIPS[0] as string)) && !(await host.hasAddress(VIPS[1] as string)),
      {
        what: "the VIPs to be gone",
      },
    );
  }

  async function willExecuted(rig: Rig): Promise<void> {
    await addressesGone();
    await waitFor(() => capture.adverts(OWN).length >= 2, { what: "two adverts" });
    expect(capture.adverts(OWN).map(({ priority, timeToLive }) => [priority, timeToLive])).toEqual([
      ["0", "255"],
      ["0", "255"],
    ]);
    await waitFor(() => rig.process.stderr.includes("the last will of process"), { what: "its last words" });
  }

  it("kill -9: the addresses go, then two adverts of priority 0, and it ends", async () => {
    const rig = await armedRig();
    process.kill(rig.process.pid, "SIGKILL");
    await willExecuted(rig);
    expect(rig.process.stderr).toContain("0 requests and 0 packets were not taken");
    expect(await host.hasAddress(OWN)).toBe(true);
  });

  requires("tunnels")("of a process that holds tunnel devices", () => {
    it("its end, which takes long, is not waited for, once the thread that writes addresses has begun to end", async () => {
      const withTunnels = join(folder(), "with-tunnels");
      execFileSync("cc", [...COMPILER_FLAGS, "-o", withTunnels, WITH_TUNNELS]);
      const rig = await armedRig(0, { wrapper: [withTunnels, String(TUNNELS)] });
      rig.send({ command: "writer" });
      await rig.waitFor("its thread", ({ event }) => event === "writerTold");
      process.kill(rig.process.pid, "SIGKILL");
      await addressesGone();
      // It cannot be dead yet, but holds nothing any more.
      expect(rig.process.exit).toBeUndefined();
      await willExecuted(rig);
    });
  });

  it("a stopped process is killed when its heartbeats stop", async () => {
    const rig = await armedRig(400);
    rig.send({ command: "beat", everyMs: 50 });
    process.kill(rig.process.pid, "SIGSTOP");
    await willExecuted(rig);
    await waitFor(() => rig.process.exit?.signal === "SIGKILL", { what: "its end" });
    expect(rig.process.stderr).toContain("its heartbeats stopped");
  });

  it("heartbeats keep it quiet, an extension bridges their absence, and goodbye ends it without a deed", async () => {
    // A busy machine holds up the loop that beats for some hundred milliseconds: the limit is far above that.
    const rig = await armedRig(1_500);
    rig.send({ command: "beat", everyMs: 50 });
    // Two limits of beats.
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    // In this order: a heartbeat behind the extension would put the deadline back to one limit.
    rig.send({ command: "beat", everyMs: 0 });
    rig.send({ command: "extend", ms: 60_000 });
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    rig.send({ command: "goodbye" });
    await rig.waitFor("the end", ({ event }) => event === "goodbyeDone");
    expect(await host.hasAddress(VIPS[0] as string)).toBe(true);
    expect(capture.adverts(OWN)).toEqual([]);
    expect(rig.process.exit).toBeUndefined();
  });

  it("with an empty will a missing heartbeat is reported, and nobody is killed", async () => {
    const rig = await startRig();
    await rig.waitFor("hello", ({ event }) => event === "hello");
    rig.send({ command: "armNothing", limitMs: 300 });
    const late = await rig.waitFor("the report", ({ kind }) => kind === "late");
    expect(late.lateMs).toBeGreaterThanOrEqual(300);
    expect(rig.process.exit).toBeUndefined();
  });

  it("no signal ends it that can be ignored, and its death is told", async () => {
    const rig = await armedRig();
    const guard = Number((await rig.waitFor("hello", ({ event }) => event === "hello")).processId);
    // SIGABRT: systemd's watchdog sends it to every process of the unit.
    for (const signal of SIGNALS) process.kill(guard, signal);
    await rig.arm();
    process.kill(guard, "SIGKILL");
    expect((await rig.waitFor("its end", ({ event }) => event === "guardEnded")).cause).toContain("SIGKILL");
    expect(await host.hasAddress(VIPS[0] as string)).toBe(true);
  });

  it("a closed connection is a death: the process is killed and the will executed", async () => {
    const rig = await armedRig();
    rig.send({ command: "disconnect" });
    await willExecuted(rig);
    await waitFor(() => rig.process.exit?.signal === "SIGKILL", { what: "its end" });
  });

  it("refuses malformed frames and wills by reason, and keeps the will that was there", async () => {
    const rig = await armedRig();
    const frame = (type: number, payloadHex = ""): void => rig.send({ command: "frame", type, payloadHex });
    const reasons = (): unknown[] => rig.events().flatMap(({ kind, reason }) => (kind === "refused" ? [reason] : []));
    const cases: readonly (readonly [reason: string, ...frames: (readonly [number, string])[]])[] = [
      ["malformedFrame", [99, ""]],
      ["malformedFrame", [1, "00"]],
      // Longer than any will may be; a limit beyond every bound.
      ["tooLarge", [1, "0100100000000000"]],
      ["tooLarge", [1, "00000000ffffffff"]],
      // DATA and COMMIT without BEGIN; more data than announced; less.
      ["wrongOrder", [2, "00"]],
      ["wrongOrder", [3, ""]],
      ["tooLarge", [1, "0400000000000000"], [2, "0000000000000000"]],
      ["wrongOrder", [1, "0400000000000000"], [3, ""]],
      // An item of unknown kind, one that is longer than the will, one whose control is longer than allowed, one without data.
      ["malformedItem", [1, "0c00000000000000"], [2, "070000000000000004000000"], [3, ""]],
      ["malformedItem", [1, "0c00000000000000"], [2, "0100000000000000ffff0000"], [3, ""]],
      [
        "malformedItem",
        [1, "1000000000000000"],
        [2, "0200 0000 ffff 0000 04000000 00000000".replaceAll(" ", "")],
        [3, ""],
      ],
      ["malformedItem", [1, "0c00000000000000"], [2, "010000000000000000000000"], [3, ""]],
      ["unknownWard", [6, "00000000"]],
      ["unknownWard", [6, "ffffff7f"]],
    ];
    for (const [reason, ...frames] of cases) {
      const before = reasons().length;
      for (const [type, payload] of frames) frame(type, payload);
      await waitFor(() => reasons().length > before, { what: `${reason} for ${JSON.stringify(frames)}` });
      expect(reasons().at(-1), JSON.stringify(frames)).toBe(reason);
    }
    process.kill(rig.process.pid, "SIGKILL");
    await willExecuted(rig);
  });

  it("the next one waits for its lock until the will is executed", async () => {
    const runDirectory = folder();
    const first = await startRig(runDirectory);
    await first.waitFor("hello", ({ event }) => event === "hello");
    const second = await startRig(runDirectory);
    await waitFor(() => existsSync(`/proc/${second.process.pid}/task`), { what: "the second process" });
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(second.events()).toEqual([]);
    first.send({ command: "goodbye" });
    await second.waitFor("hello", ({ event }) => event === "hello");
  });

  it("a process that it may not kill keeps nothing: the addresses are deleted all the same, and it says so", async () => {
    const foreign = await host.start("sleep", ["600"]);
    running.push(foreign);
    const capabilities = "+net_admin,+net_raw";
    const runDirectory = folder();
    execFileSync("chown", ["65534", runDirectory]);
    for (const vip of VIPS) await host.ip("address", "add", `${vip}/32`, "dev", "eth0");
    const wrapper = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    const rig = await startRig(runDirectory, {
      wrapper: [...wrapper, `--inh-caps=${capabilities}`, `--ambient-caps=${capabilities}`],
    });
    await rig.waitFor("hello", ({ event }) => event === "hello");
    await rig.arm();
    rig.send({ command: "ward", processId: foreign.pid });
    await waitFor(() => rig.confirmations() === 2, { what: "the new ward", found: () => rig.process.output });
    process.kill(rig.process.pid, "SIGKILL");
    await addressesGone();
    await waitFor(() => rig.process.stderr.includes("cannot kill process"), { what: "its words" });
    expect(foreign.exit).toBeUndefined();
  });

  /** What a checked guard is put through: frames right and wrong, a second will, a death. */
  async function playLife(rig: Rig): Promise<void> {
    rig.send({ command: "frame", type: 2, payloadHex: "00" });
    rig.send({ command: "frame", type: 99, payloadHex: "" });
    rig.send({ command: "frame", type: 1, payloadHex: "0400000000000000" });
    rig.send({ command: "frame", type: 2, payloadHex: "0000000000000000" });
    await rig.arm();
    rig.send({ command: "writer" });
    await rig.waitFor("its thread", ({ event }) => event === "writerTold");
    process.kill(rig.process.pid, "SIGKILL");
    await willExecuted(rig);
  }

  it("under the compiler's checks for memory and undefined behaviour it does the same, without a finding", async () => {
    const program = join(folder(), "holdfast-guard-checked");
    const checks = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
    execFileSync("cc", [...COMPILER_FLAGS, ...checks, "-o", program, ...SOURCES]);
    const rig = await armedRig(0, { guard: program });
    await playLife(rig);
    expect(rig.process.stderr).not.toMatch(/Sanitizer|runtime error/);
  });

  requires("valgrind")("under valgrind", () => {
    it("it does the same, without a finding or a leak", async () => {
      const made = folder();
      const [program, report, guard] = ["holdfast-guard", "report", "guard"].map((name) => join(made, name)) as [
        string,
        string,
        string,
      ];
      const shim = join(projectRoot, "test/netns/guard/pidfdShim.h");
      // Each file gets functions of the shim that it does not use.
      execFileSync("cc", [...COMPILER_FLAGS, "-Wno-unused", "-include", shim, "-o", program, ...SOURCES]);
      const checks = `--leak-check=full --show-leak-kinds=all --track-origins=yes --child-silent-after-fork=yes --log-file=${report}`;
      writeFileSync(guard, `#!/bin/sh\nexec valgrind ${checks} ${program} "$@"\n`, { mode: 0o755 });
      const rig = await armedRig(0, { guard });
      await playLife(rig);
      const summary = await waitFor(() => /ERROR SUMMARY: (\d+) errors/.exec(readFileSync(report, "utf8")), {
        what: "valgrind's summary",
        found: () => readFileSync(report, "utf8"),
      });
      expect(summary[1], readFileSync(report, "utf8")).toBe("0");
    });
  });
});
