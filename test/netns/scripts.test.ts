import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { FinishedScript, ScriptRequest } from "../../src/core/scripts.ts";
import { milliseconds } from "../../src/core/units.ts";
import { writableByOthers } from "../../src/io/scripts/pathSecurity.ts";
import { HostScripts, type ScriptPolicy } from "../../src/io/scripts/runner.ts";
import { runProcess, startProcess } from "../lab/processes.ts";
import { recordingLogger } from "../lab/recordingLogger.ts";
import { requires } from "../lab/requires.ts";
import { projectRoot } from "../lab/root.ts";
import { waitFor } from "../lab/wait.ts";

const NOBODY = 65_534;

requires("root")("scripts", () => {
  let folder: string;
  const runners: HostScripts[] = [];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "holdfast-scripts-"));
    chmodSync(folder, 0o755);
  });
  afterEach(async () => {
    for (const runner of runners.splice(0)) await runner.close();
    rmSync(folder, { recursive: true, force: true });
  });

  function script(name: string, text: string, mode = 0o755): string {
    const path = join(folder, name);
    writeFileSync(path, text);
    chmodSync(path, mode);
    return path;
  }
  function create(policy: Partial<ScriptPolicy> = {}): { runner: HostScripts; lines: string[] } {
    const { logger, messages } = recordingLogger();
    const runner = new HostScripts({ enableScriptSecurity: false, scriptUser: undefined, ...policy }, { logger });
    runners.push(runner);
    return { runner, lines: messages };
  }
  const request = (program: readonly string[], more: Partial<ScriptRequest> = {}): ScriptRequest => ({
    name: "probe",
    arguments: program,
    user: undefined,
    group: undefined,
    environment: {},
    timeout: undefined,
    outputLevel: "info",
    ...more,
  });
  const run = async (program: readonly string[], more: Partial<ScriptRequest> = {}): Promise<FinishedScript> =>
    await create().runner.run(request(program, more)).done;

  /** What the kernel says of the process that the script is. */
  const REPORT = "#!/bin/sh\ngrep -E '^(Cap...|Uid|Gid|Groups):' /proc/self/status\n";
  function status(output: string): Record<string, string> {
    const lines = output.split("\n").map((line) => line.split(":"));
    return Object.fromEntries(lines.map(([name = "", value = ""]) => [name, value.trim().replaceAll("\t", " ")]));
  }
  const NONE = "0000000000000000";

  test("no shell is between: words stay words, and the exit status is the script's", async () => {
    const echo = script("echo.sh", '#!/bin/sh\nfor word; do echo "[$word]"; done\nexit 7\n');
    const { outcome, output } = await run([echo, "a b", "$(id)", "", "*"]);
    expect(outcome).toEqual({ kind: "exited", status: 7 });
    expect(output).toBe("[a b]\n[$(id)]\n[]\n[*]");
  });

  test("as another user: its groups, no capabilities, no descriptor of ours, environment and folder as documented", async () => {
    const path = script(
      "who.sh",
      `${REPORT}pwd\nls /proc/self/fd | tr '\\n' ' '\necho\necho "$REASON-$NOTIFY_SOCKET"\n`,
    );
    process.env.NOTIFY_SOCKET = "/run/nobody-listens";
    const { output } = await run([path], { user: "nobody", group: "nogroup", environment: { REASON: "why" } });
    delete process.env.NOTIFY_SOCKET;
    const seen = status(output);
    expect(seen.Uid).toBe(`${NOBODY} ${NOBODY} ${NOBODY} ${NOBODY}`);
    expect(seen.Gid).toBe(`${NOBODY} ${NOBODY} ${NOBODY} ${NOBODY}`);
    expect(seen.Groups).toBe(String(NOBODY));
    for (const set of ["CapInh", "CapPrm", "CapEff", "CapAmb"]) expect(seen[set], set).toBe(NONE);
    // 3 is ls's own look at the folder.
    expect(output).toContain("\n/\n0 1 2 3 \nwhy-");
    expect(output.trim().endsWith("why-")).toBe(true);
  });

  test("as root, asked for: root's own power, but nothing inheritable or ambient", async () => {
    const seen = status((await run([script("root.sh", REPORT)], { user: "root" })).output);
    expect(seen.CapEff).not.toBe(NONE);
    expect(seen.CapInh).toBe(NONE);
    expect(seen.CapAmb).toBe(NONE);
  });

  test("started by a daemon without root but with ambient capabilities, a script has none", async () => {
    const path = script("ambient.sh", REPORT);
    const seen = await asNobody(`run([${JSON.stringify(path)}])`);
    expect(seen.outcome).toEqual({ kind: "exited", status: 0 });
    const sets = status(seen.output);
    for (const set of ["CapInh", "CapPrm", "CapEff", "CapAmb"]) expect(sets[set], set).toBe(NONE);
    expect(sets.Uid).toBe(`${NOBODY} ${NOBODY} ${NOBODY} ${NOBODY}`);
  });

  test("without root another user is refused in words; the own one is not", async () => {
    const path = script("other.sh", REPORT);
    const refused = await asNobody(`run([${JSON.stringify(path)}], { user: "root" })`);
    expect(refused.outcome).toMatchObject({ kind: "cannotRun", reason: "userNotPermitted" });
    const own = await asNobody(`run([${JSON.stringify(path)}], { user: "nobody" })`);
    expect(own.outcome).toEqual({ kind: "exited", status: 0 });
  });

  /** Runs a script from a process of user nobody that has the daemon's ambient capabilities, as under systemd. */
  async function asNobody(call: string): Promise<FinishedScript> {
    const program = `
      import { HostScripts } from ${JSON.stringify(join(projectRoot, "dist/io/scripts/runner.js"))};
      const logger = { info() {}, debug() {}, warn() {}, error() {}, child() { return logger; } };
      const runner = new HostScripts({ enableScriptSecurity: false, scriptUser: undefined }, { logger });
      const run = (program, more) => runner.run({ name: "x", arguments: program, environment: {}, outputLevel: "info", ...more }).done;
      console.log(JSON.stringify(await ${call}));`;
    const capabilities = ["--inh-caps=+net_admin,+net_raw", "--ambient-caps=+net_admin,+net_raw"];
    const who = ["--reuid", String(NOBODY), "--regid", String(NOBODY), "--clear-groups", ...capabilities];
    const finished = await runProcess("setpriv", [...who, process.execPath, "--input-type=module", "-e", program]);
    return JSON.parse(finished.stdout) as FinishedScript;
  }

  test("a run that takes too long is told at once and killed with its children, also when it ignores SIGTERM", async () => {
    const mark = join(folder, "pids");
    const path = script(
      "slow.sh",
      `#!/bin/sh\ntrap '' TERM\nsleep 600 &\necho $$ $! > ${mark}.new\nmv ${mark}.new ${mark}\nwhile :; do sleep 600; done\n`,
    );
    const told: string[] = [];
    const { runner } = create();
    const running = runner.run(request([path], { timeout: milliseconds(500), onTimeout: () => told.push("timeout") }));
    const finished = await running.done;
    expect(finished.outcome).toEqual({ kind: "timedOut", afterMs: 500 });
    expect(told).toEqual(["timeout"]);
    const pids = spawnSync("cat", [mark], { encoding: "utf8" }).stdout.trim().split(" ");
    expect(pids).toHaveLength(2);
    await waitFor(() => pids.every((pid) => !isRunning(pid)), { what: "the end of the script and its child" });
  });

  function isRunning(pid: string): boolean {
    const { stdout } = spawnSync("cat", [`/proc/${pid}/stat`], { encoding: "utf8" });
    return stdout !== "" && !/\) Z /.test(stdout);
  }

  test.each([
    ["no file", "missing.sh", undefined, 0, "notFound"],
    ["no right to execute", "plain.sh", "#!/bin/sh\n", 0o644, "notExecutable"],
    ["no interpreter line", "bare.sh", "echo hello\n", 0o755, "notExecutable"],
    ["an interpreter that is not there", "odd.sh", "#!/no/such/shell\n", 0o755, "notFound"],
  ])("%s: cannot run, with a reason and its name", async (_title, name, text, mode, reason) => {
    const path = text === undefined ? join(folder, name) : script(name, text, mode);
    const { outcome } = await run([path]);
    expect(outcome).toMatchObject({ kind: "cannotRun", reason });
    expect(outcome.kind === "cannotRun" && outcome.detail).toContain(name);
  });

  test("a folder that its user may not pass: cannot run, with a reason", async () => {
    mkdirSync(join(folder, "closed"), { mode: 0o700 });
    const { outcome } = await run([script("closed/x.sh", "#!/bin/sh\n")], { user: "nobody" });
    expect(outcome).toMatchObject({ kind: "cannotRun", reason: "notExecutable" });
  });

  test("a name without a folder is looked up in PATH", async () => {
    expect((await run(["true"])).outcome).toEqual({ kind: "exited", status: 0 });
    expect((await run(["no-such-program-here"])).outcome).toMatchObject({ kind: "cannotRun", reason: "notFound" });
  });

  test("enable_script_security: what others may write does not run as root, and runs as somebody else", async () => {
    const path = script("open.sh", "#!/bin/sh\n", 0o777);
    const { runner } = create({ enableScriptSecurity: true });
    const asRoot = await runner.run(request([path], { user: "root" })).done;
    expect(asRoot.outcome).toMatchObject({ kind: "cannotRun", reason: "insecure" });
    expect((await runner.run(request([path], { user: "nobody" })).done).outcome).toEqual({ kind: "exited", status: 0 });
    const { runner: trusting } = create();
    expect(trusting.examine({ arguments: [path], user: "root", group: undefined }).warning).toContain("runs as root");
    expect((await trusting.run(request([path], { user: "root" })).done).outcome).toEqual({ kind: "exited", status: 0 });
  });

  test("the path's security is that of every folder, links included", () => {
    expect(writableByOthers("/usr/bin/true")).toBeUndefined();
    expect(writableByOthers(script("x.sh", ""))).toContain("/tmp is writable by everybody");
    // A link in a good folder to a bad one, and the other way round.
    const link = "/usr/local/bin/holdfast-test-link";
    rmSync(link, { force: true });
    try {
      symlinkSync(join(folder, "x.sh"), link);
      expect(writableByOthers(link)).toContain("/tmp is writable by everybody");
    } finally {
      rmSync(link, { force: true });
    }
    const owned = "/usr/local/share/holdfast-test-owned";
    try {
      writeFileSync(owned, "");
      chownSync(owned, NOBODY, 0);
      expect(writableByOthers(owned)).toContain(`its owner, user ${NOBODY}`);
      chownSync(owned, 0, NOBODY);
      chmodSync(owned, 0o664);
      expect(writableByOthers(owned)).toContain(`its group ${NOBODY}`);
      chmodSync(owned, 0o644);
      expect(writableByOthers(owned)).toBeUndefined();
    } finally {
      rmSync(owned, { force: true });
    }
  });

  test("what it prints is in the log, line by line and bounded", async () => {
    const { runner, lines } = create();
    await runner.run(request(["seq", "1", "500"])).done;
    expect(lines.slice(0, 2)).toEqual(["probe: 1", "probe: 2"]);
    expect(lines).toHaveLength(100);
    expect(lines.at(-1)).toBe("probe: (more lines are not shown)");
  });

  test("a grandchild that keeps the pipes does not keep the outcome", async () => {
    const pidFile = join(folder, "pid");
    const path = script("leaves.sh", `#!/bin/sh\nsleep 600 &\necho $! > ${pidFile}\nexit 3\n`);
    const { outcome } = await run([path]);
    expect(outcome).toEqual({ kind: "exited", status: 3 });
    const pid = spawnSync("cat", [pidFile], { encoding: "utf8" }).stdout.trim();
    expect(isRunning(pid)).toBe(true);
    process.kill(Number(pid));
  });

  test("when the daemon is killed, its scripts are told to end", async () => {
    const started = join(folder, "started");
    const ended = join(folder, "ended");
    const path = script(
      "waits.sh",
      `#!/bin/sh\ntrap 'touch ${ended}; exit' TERM\ntouch ${started}\nwhile :; do sleep 0.05; done\n`,
    );
    const program = `
      import { HostScripts } from ${JSON.stringify(join(projectRoot, "dist/io/scripts/runner.js"))};
      const logger = { info() {}, debug() {}, warn() {}, error() {}, child() { return logger; } };
      const runner = new HostScripts({ enableScriptSecurity: false, scriptUser: undefined }, { logger });
      runner.run({ name: "x", arguments: [${JSON.stringify(path)}], user: process.argv[1], environment: {}, outputLevel: "info" });
      setInterval(() => {}, 1000);`;
    chmodSync(folder, 0o777);
    for (const user of ["root", "nobody"]) {
      rmSync(started, { force: true });
      rmSync(ended, { force: true });
      const daemon = await startProcess(process.execPath, ["--input-type=module", "-e", program, user]);
      await waitFor(() => existsSync(started), { what: `the script of ${user}`, found: () => daemon.output });
      daemon.signal("SIGKILL");
      await waitFor(() => existsSync(ended), { what: `the end of the script of ${user}` });
    }
  });
});
