/** Runs one command in a virtual machine over the host's own file system, with its output live and its exit status. */

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onCleanup } from "../../lab/cleanup.ts";
import { ownerHasEnded, ownerTag } from "../../lab/owner.ts";
import { type RunningProcess, startProcess } from "../../lab/processes.ts";
import { projectRoot } from "../../lab/root.ts";
import { busyboxPath, type GuestImage, guestImage } from "./image.ts";
import { COMMAND_FILE, ERR_PORT, OUT_PORT, SECOND_STAGE_FILE, STATUS_FILE, secondStage, shellWord } from "./stages.ts";

const RUN_FOLDER = "holdfast-guest-";

export interface GuestOptions {
  readonly command: string;
  readonly args: readonly string[];
  /** Default: this process's working folder. */
  readonly cwd?: string;
  /** Replaces the environment; default: this process's own. HOLDFAST_GUEST=1 and HOLDFAST_RESULTS are added. */
  readonly env?: NodeJS.ProcessEnv;
  /** For the whole run, the boot included; default 30 minutes. */
  readonly timeoutMs?: number;
  /**
   * `capture` (default): output is returned only. `inherit`: it also goes to this process's own, live. `terminal`: where
   * this process has a terminal, the command gets one too, and the keys; else as `inherit`.
   */
  readonly stdio?: "capture" | "inherit" | "terminal";
}

export interface GuestResult {
  /** The command's exit status as the shell gives it: 128 + n for signal n. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The guest ended without an exit status, or did not end in time. `console` is what its kernel said last. */
export class GuestError extends Error {
  readonly code: "guestTimedOut" | "guestFailed";
  constructor(code: GuestError["code"], message: string, console: string) {
    super(`${message}\nthe guest's kernel said last:\n${console}`);
    this.code = code;
  }
}

/** HOLDFAST_RESULTS, or .cache/results: the only folder whose files outlive the guest. */
export function resultsFolder(env: NodeJS.ProcessEnv = process.env): string {
  const folder = env.HOLDFAST_RESULTS ?? join(projectRoot, ".cache", "results");
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** Boots the guest, runs the command, shuts down. Everything the command writes outside of the results' folder is gone. */
export async function runInGuest(options: GuestOptions): Promise<GuestResult> {
  const image = await guestImage();
  const inherit = options.stdio === "inherit" || options.stdio === "terminal";
  const terminal =
    options.stdio === "terminal" && process.stdin.isTTY && process.stdout.isTTY
      ? // A terminal that does not know its size says 0.
        { rows: process.stdout.rows || 24, columns: process.stdout.columns || 80 }
      : undefined;
  // Unix socket addresses are short, so this is not in the checkout.
  sweepRunFolders();
  const run = mkdtempSync(join(tmpdir(), `${RUN_FOLDER}${ownerTag}-`));
  const undo = onCleanup(() => rmSync(run, { recursive: true, force: true }));
  try {
    const env = options.env ?? process.env;
    const results = resultsFolder(env);
    const busybox = busyboxPath();
    writeFileSync(
      join(run, SECOND_STAGE_FILE),
      secondStage({ run, busybox, modules: image.modules, results, terminal }),
    );
    const guestEnv = { ...env, HOLDFAST_GUEST: "1", HOLDFAST_RESULTS: results };
    writeFileSync(join(run, COMMAND_FILE), commandScript(options, guestEnv), { mode: 0o700 });
    return await runMachine({ image, run, busybox, results, terminal: terminal !== undefined, inherit }, options);
  } finally {
    undo();
    rmSync(run, { recursive: true, force: true });
  }
}

/** Removes what starters that were killed left; their machines ended with them. */
function sweepRunFolders(): void {
  for (const name of readdirSync(tmpdir())) {
    const owner = name.startsWith(RUN_FOLDER) ? /^\d+-\d+/.exec(name.slice(RUN_FOLDER.length))?.[0] : undefined;
    if (owner !== undefined && ownerHasEnded(owner)) rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
}

function commandScript(options: GuestOptions, env: NodeJS.ProcessEnv): string {
  // Names that sh cannot assign (BASH_FUNC_x%% and the like) are left out.
  const exports = Object.entries(env)
    .filter(([name, value]) => /^[A-Za-z_]\w*$/.test(name) && value !== undefined)
    .map(([name, value]) => `export ${name}=${shellWord(value ?? "")}`);
  const words = [options.command, ...options.args].map(shellWord).join(" ");
  return [...exports, `cd ${shellWord(options.cwd ?? process.cwd())} && exec ${words}`, ""].join("\n");
}

interface Machine {
  readonly image: GuestImage;
  readonly run: string;
  readonly busybox: string;
  readonly results: string;
  readonly terminal: boolean;
  readonly inherit: boolean;
}

async function runMachine(machine: Machine, options: GuestOptions): Promise<GuestResult> {
  const out = await listen(join(machine.run, "out.sock"));
  const err = await listen(join(machine.run, "err.sock"));
  const timeoutMs = options.timeoutMs ?? 30 * 60_000;
  const consoleFile = join(machine.run, "console");
  const qemu = await startQemu(machine, consoleFile);
  const releaseTerminal = machine.terminal ? lendTerminal(out, qemu) : () => {};
  if (machine.inherit) {
    out.onData((data) => process.stdout.write(data));
    err.onData((data) => process.stderr.write(data));
  }
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    qemu.kill();
  }, timeoutMs);
  try {
    await qemu.exited;
    const stdout = await out.end();
    const stderr = await err.end();
    const said = (): string => `${lastLines(consoleFile)}\n${qemu.output}`;
    if (timedOut) throw new GuestError("guestTimedOut", `the guest did not end within ${timeoutMs} ms`, said());
    const status = readStatus(join(machine.run, STATUS_FILE));
    if (status === undefined) throw new GuestError("guestFailed", "the guest ended without an exit status", said());
    return { status, stdout, stderr };
  } finally {
    clearTimeout(timer);
    releaseTerminal();
  }
}

function readStatus(file: string): number | undefined {
  try {
    return Number.parseInt(readFileSync(file, "utf8"), 10);
  } catch {
    return undefined;
  }
}

function lastLines(file: string): string {
  try {
    return readFileSync(file, "utf8").trimEnd().split("\n").slice(-40).join("\n");
  } catch {
    return "(nothing)";
  }
}

async function startQemu(machine: Machine, consoleFile: string): Promise<RunningProcess> {
  const accelerator = process.env.HOLDFAST_QEMU_ACCEL ?? "tcg";
  const share = (tag: string, path: string, readOnly: boolean): string[] => [
    "-virtfs",
    `local,path=${path.replaceAll(",", ",,")},mount_tag=${tag},security_model=none,multidevs=remap${readOnly ? ",readonly=on" : ""}`,
  ];
  const socket = (id: string): string[] => ["-chardev", `socket,id=${id},path=${join(machine.run, `${id}.sock`)}`];
  const outDevice = machine.terminal ? "virtconsole,chardev=out" : `virtserialport,chardev=out,name=${OUT_PORT}`;
  const kernelWords = ["quiet", "mitigations=off", "panic=-1", "console=ttyS0"];
  const ours = [`holdfast.run=${machine.run}`, `holdfast.busybox=${machine.busybox}`];
  // The parent-death signal: not even SIGKILL for this process leaves a machine running.
  return await startProcess("setpriv", [
    ...["--pdeathsig", "KILL", "qemu-system-x86_64"],
    ...(accelerator === "tcg" ? ["-accel", "tcg,thread=multi"] : ["-accel", accelerator]),
    ...["-cpu", accelerator === "tcg" ? "max" : "host", "-smp", "2", "-m", process.env.HOLDFAST_QEMU_MEMORY ?? "4G"],
    ...["-nodefaults", "-display", "none", "-no-reboot", "-nic", "none", "-serial", `file:${consoleFile}`],
    ...["-kernel", machine.image.kernel, "-initrd", machine.image.initramfs],
    ...["-append", [...kernelWords, ...ours].join(" ")],
    ...share("root", "/", true),
    ...share("run", machine.run, false),
    ...share("results", machine.results, false),
    ...["-device", "virtio-serial-pci", ...socket("out"), "-device", outDevice],
    ...[...socket("err"), "-device", `virtserialport,chardev=err,name=${ERR_PORT}`],
  ]);
}

/** Our end of one of the guest's ports. */
interface Port {
  onData(listener: (data: Buffer) => void): void;
  write(data: Buffer): void;
  /** Waits for the end of the stream and returns all of it. */
  end(): Promise<string>;
}

async function listen(path: string): Promise<Port> {
  const chunks: Buffer[] = [];
  const listeners: ((data: Buffer) => void)[] = [];
  let socket: Socket | undefined;
  const server: Server = createServer((connection) => {
    socket = connection;
    connection.on("error", () => {});
    connection.on("data", (data) => {
      chunks.push(data);
      for (const listener of listeners) listener(data);
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    onData: (listener) => void listeners.push(listener),
    write: (data) => void socket?.write(data),
    async end() {
      // close() answers when the only connection, qemu's, has been read to its end.
      await new Promise((resolve) => server.close(resolve));
      return Buffer.concat(chunks).toString("utf8");
    },
  };
}

/** Hands this process's terminal to the guest, Ctrl-C included; the returned function takes it back. */
function lendTerminal(port: Port, qemu: RunningProcess): () => void {
  const { stdin } = process;
  // Three times Ctrl-] ends a guest that does not answer any more.
  let escapes = 0;
  const onKeys = (data: Buffer): void => {
    escapes = data.length === 1 && data[0] === 0x1d ? escapes + 1 : 0;
    if (escapes === 3) qemu.kill();
    else port.write(data);
  };
  stdin.setRawMode(true);
  stdin.on("data", onKeys);
  stdin.resume();
  const release = (): void => {
    stdin.off("data", onKeys);
    stdin.setRawMode(false);
    stdin.pause();
  };
  const forget = onCleanup(release);
  return () => {
    forget();
    release();
  };
}
