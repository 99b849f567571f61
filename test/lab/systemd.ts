/**
 * A real systemd as the first process of namespaces of its own (processes, mounts, control groups), with nothing to manage
 * but the unit under test: systemd/holdfast.service as it is, with a drop-in for what a test needs to be otherwise.
 */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DaemonStatus } from "../../src/daemon/control.types.ts";
import { onCleanup } from "./cleanup.ts";
import { controlGroupRoot, SYSTEMD } from "./controlGroups.ts";
import { type FinishedProcess, type RunningProcess, runProcess, startProcess } from "./processes.ts";
import { processTree } from "./processTree.ts";
import { projectRoot } from "./root.ts";
import { waitFor } from "./wait.ts";

export const UNIT = "holdfast.service";
/** What every unit wants of a machine; here there is nothing behind them. */
const TARGETS = ["test", "sysinit", "basic", "shutdown", "network-online"];
const PATIENCE_MS = 180_000;

export interface SystemdOptions {
  /** /etc/keepalived/keepalived.conf: that folder exists where keepalived is installed, and is hidden by one of ours. */
  readonly configuration: string;
  /** The service runs in this network namespace (its path). */
  readonly networkNamespace: string;
  /** Lines of its section [Service], behind those of the unit. */
  readonly serviceLines?: readonly string[];
}

export class Systemd {
  readonly #folder: string;
  readonly #starter: RunningProcess;
  readonly #group: string;
  readonly #manager: number;
  readonly #forget: () => void;

  private constructor(folder: string, group: string, starter: RunningProcess, manager: number, forget: () => void) {
    this.#folder = folder;
    this.#group = group;
    this.#starter = starter;
    this.#manager = manager;
    this.#forget = forget;
  }

  static async start(options: SystemdOptions): Promise<Systemd> {
    const folder = mkdtempSync(join(tmpdir(), "holdfast-systemd-"));
    const root = controlGroupRoot();
    if (root === undefined) throw new Error("no control groups of version 2 here");
    const group = join(root, `holdfast-systemd-${process.pid}-${Date.now()}`);
    mkdirSync(group);
    const forget = onCleanup(() => remove(folder, group));
    for (const name of ["units", `units/${UNIT}.d`, "generators", "etc", "netns", "program"])
      mkdirSync(join(folder, name));
    for (const target of TARGETS) {
      writeFileSync(join(folder, "units", `${target}.target`), "[Unit]\nDefaultDependencies=no\n");
    }
    const unit = readFileSync(join(projectRoot, "systemd", UNIT), "utf8");
    writeFileSync(join(folder, "units", UNIT), unit.replaceAll("/usr/bin/node", process.execPath));
    writeFileSync(join(folder, "etc/keepalived.conf"), options.configuration);
    writeFileSync(join(folder, "log"), "", { mode: 0o666 });
    const lines = [
      `NetworkNamespacePath=${options.networkNamespace}`,
      // There is no journal.
      `StandardOutput=append:${folder}/log`,
      `StandardError=append:${folder}/log`,
      ...(options.serviceLines ?? []),
    ];
    writeFileSync(join(folder, "units", `${UNIT}.d`, "test.conf"), `[Service]\n${lines.join("\n")}\n`);
    writeFileSync(join(folder, "start"), startScript(folder));
    const namespaces = ["--mount", "--pid", "--fork", "--cgroup", "--ipc", "--kill-child"];
    const script = `echo $$ > ${group}/cgroup.procs && exec unshare ${namespaces.join(" ")} sh ${folder}/start`;
    const starter = await startProcess("sh", ["-c", script], { name: "systemd" });
    const manager = await waitFor(
      () =>
        processTree(starter.pid).find((pid) => {
          try {
            return readFileSync(`/proc/${pid}/comm`, "utf8") === "systemd\n";
          } catch {
            return false;
          }
        }),
      { what: "systemd", timeoutMs: PATIENCE_MS, found: () => starter.output },
    );
    // systemd moves all others of its group aside; this one it does not see, and a group with processes gives its children no limits.
    writeFileSync(join(root, "cgroup.procs"), String(starter.pid));
    const systemd = new Systemd(folder, group, starter, manager, forget);
    await waitFor(async () => (await systemd.systemctl(["is-system-running"], true)).stdout === "running\n", {
      what: "systemd to be up",
      timeoutMs: PATIENCE_MS,
      found: () => starter.output,
    });
    return systemd;
  }

  /** Runs a program where the service's files are; it is no part of the service. */
  async exec(command: string, args: readonly string[], allowFailure = false): Promise<FinishedProcess> {
    const into = ["--target", String(this.#manager), "--mount", "--pid", "--cgroup"];
    return await runProcess("nsenter", [...into, command, ...args], { allowFailure, timeoutMs: PATIENCE_MS });
  }

  async systemctl(args: readonly string[], allowFailure = false): Promise<FinishedProcess> {
    return await this.exec("systemctl", args, allowFailure);
  }

  /** `holdfast COMMAND ...` beside the service. */
  async holdfast(...args: readonly string[]): Promise<FinishedProcess> {
    return await this.exec(process.execPath, ["/opt/holdfast/dist/main.js", ...args], true);
  }

  /** The process id outside of systemd's namespace. */
  outside(processId: number): number {
    const found = processTree(this.#starter.pid).find((pid) => {
      try {
        return new RegExp(`^NSpid:.*\\s${processId}$`, "m").test(readFileSync(`/proc/${pid}/status`, "utf8"));
      } catch {
        return false;
      }
    });
    if (found === undefined) throw new Error(`systemd has no process ${processId}`);
    return found;
  }

  /** A property of the service as `systemctl show` prints it. */
  async show(property: string): Promise<string> {
    const { stdout } = await this.systemctl(["show", "--value", "--property", property, UNIT]);
    return stdout.trim();
  }

  /** What the daemon of the service says; undefined while it does not answer. */
  async status(): Promise<DaemonStatus | undefined> {
    const { status, stdout } = await this.holdfast("status", "--json", "--run-dir", "/run/holdfast");
    return status === 0 ? (JSON.parse(stdout) as DaemonStatus) : undefined;
  }

  /** Starts the service: ends when the daemon says that it is ready (Type=notify), and it is MASTER under a guard. */
  async startService(): Promise<void> {
    await this.systemctl(["start", UNIT]);
    await this.#until("a MASTER under a guard", async () => {
      const status = await this.status();
      return status?.vrrp.will.armed === true && status.vrrp.instances.every(({ state }) => state === "MASTER");
    });
  }

  async untilActive(): Promise<void> {
    await this.#until("the service to be active", async () => (await this.show("ActiveState")) === "active");
  }

  /** Waits until the service was started again so often by itself. */
  async untilRestarted(count: number): Promise<void> {
    await this.#until(`${count} restarts`, async () => (await this.show("NRestarts")) === String(count));
  }

  /** The last words of systemd and of the service. */
  told(): string {
    return `${this.words.slice(-4_000)}\n${this.log.slice(-6_000)}`;
  }

  async #until(what: string, condition: () => Promise<boolean>): Promise<void> {
    await waitFor(condition, { what, timeoutMs: PATIENCE_MS, found: () => this.told() });
  }

  configure(text: string): void {
    writeFileSync(join(this.#folder, "etc/keepalived.conf"), text);
  }

  /** What the service has printed. */
  get log(): string {
    return readFileSync(join(this.#folder, "log"), "utf8");
  }

  /** What systemd itself has said. */
  get words(): string {
    return this.#starter.output;
  }

  /** Ends the service, systemd, and everything below it. */
  async stop(): Promise<void> {
    await this.systemctl(["stop", UNIT], true);
    this.#starter.kill();
    await this.#starter.exited;
    await waitFor(() => remove(this.#folder, this.#group), { what: "an empty control group" });
    this.#forget();
  }
}

/** The first process of the namespaces: a machine's mounts, then systemd. */
function startScript(folder: string): string {
  const environment = [
    "container=test",
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    `SYSTEMD_UNIT_PATH=${folder}/units`,
    `SYSTEMD_GENERATOR_PATH=${folder}/generators`,
  ];
  const options = ["--system", "--unit=test.target", "--log-target=console", "--log-level=info", "--show-status=no"];
  return `set -e
mount --make-rprivate /
mount --rbind /run/netns ${folder}/netns
mount --bind ${projectRoot} ${folder}/program
mount -t tmpfs -o mode=755 run /run
mkdir -p /run/lock /run/netns
mount --rbind ${folder}/netns /run/netns
while umount /sys/fs/cgroup 2>/dev/null; do :; done
umount -R /sys/fs/cgroup 2>/dev/null || :
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t proc proc /proc
mount -t tmpfs opt /opt
mkdir /opt/holdfast
mount --bind ${folder}/program /opt/holdfast
mount --bind ${folder}/etc /etc/keepalived
exec env -i ${environment.join(" ")} ${SYSTEMD} ${options.join(" ")}
`;
}

/** False while something still runs in the control group. */
function remove(folder: string, group: string): boolean {
  try {
    removeGroup(group);
  } catch {
    return false;
  }
  rmSync(folder, { recursive: true, force: true });
  return true;
}

/** Control groups are removed from the leaves on. */
function removeGroup(group: string): void {
  if (!existsSync(group)) return;
  for (const line of readdirSync(group, { withFileTypes: true })) {
    if (line.isDirectory()) removeGroup(join(group, line.name));
  }
  rmdirSync(group);
}
