/** The two kinds of VRRP router of these tests: holdfast's VRRP half, and Debian's keepalived without IPVS. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { VrrpInstanceConfig } from "../../../src/config/vrrp.types.ts";
import type { VrrpStatus } from "../../../src/workers/vrrp/protocol.ts";
import { onCleanup } from "../../lab/cleanup.ts";
import type { Namespace } from "../../lab/netns.ts";
import type { ProcessExit, RunningProcess } from "../../lab/processes.ts";
import { projectRoot } from "../../lab/root.ts";
import { waitFor } from "../../lab/wait.ts";
import type { HostCommand } from "./vrrpHost.ts";

const COMPILED = join(projectRoot, "dist-test/test/netns/vrrp");

/** Path of a program of this folder, compiled. */
export function compiled(name: string): string {
  const path = join(COMPILED, `${name}.js`);
  if (!existsSync(path)) throw new Error(`${path} is missing: npm run build:test`);
  return path;
}

export interface HostEvent {
  readonly event: string;
  readonly atMs: number;
  readonly [field: string]: unknown;
}

/** holdfast's VRRP half as a process. */
export class VrrpHost {
  readonly process: RunningProcess;

  private constructor(running: RunningProcess) {
    this.process = running;
  }

  /** `wrapper` is put before node: `setpriv ...`. */
  static async start(
    namespace: Namespace,
    instances: readonly VrrpInstanceConfig[],
    options: { readonly wrapper?: readonly string[]; readonly args?: readonly string[] } = {},
  ): Promise<VrrpHost> {
    const folder = temporaryFolder();
    const file = join(folder, "instances.json");
    writeFileSync(file, JSON.stringify(instances));
    const words = [...(options.wrapper ?? []), process.execPath, compiled("vrrpHost"), file, ...(options.args ?? [])];
    const [command = "", ...args] = words;
    return new VrrpHost(await namespace.start(command, args, { name: `vrrpHost in ${namespace.name}` }));
  }

  events(): HostEvent[] {
    return this.process.stdout
      .split("\n")
      .filter((line) => line.startsWith("{") && line.endsWith("}"))
      .map((line) => JSON.parse(line) as HostEvent);
  }

  /** `BACKUP started`, `MASTER masterDown`, ... of one instance, in order. */
  transitions(name = "RW"): string[] {
    return this.events()
      .filter((event) => event.event === "transition" && event.instance === name)
      .map((event) => `${event.to} ${event.reason}`);
  }

  async waitForEvent(
    what: string,
    condition: (event: HostEvent) => boolean,
    timeoutMs = 15_000,
    from = 0,
  ): Promise<HostEvent> {
    return await waitFor(
      () => {
        const found = this.events().slice(from).find(condition);
        if (found === undefined && this.process.exit !== undefined) {
          throw new Error(`${this.process.name} ended before ${what}:\n${this.process.output}`);
        }
        return found;
      },
      { what, timeoutMs, found: () => this.process.output },
    );
  }

  /** Waits until the newest transition of the instance is to this state. */
  async waitForState(state: string, name = "RW", timeoutMs = 15_000): Promise<void> {
    await waitFor(() => this.transitions(name).at(-1)?.startsWith(`${state} `), {
      what: `${name} to be ${state}`,
      timeoutMs,
      found: () => this.process.output,
    });
  }

  send(command: HostCommand): void {
    this.process.writeInput(`${JSON.stringify(command)}\n`);
  }

  async status(): Promise<VrrpStatus> {
    const from = this.events().length;
    this.send({ command: "status" });
    const event = await this.waitForEvent("a status", ({ event }) => event === "status", 10_000, from);
    return event.status as VrrpStatus;
  }
}

/** keepalived with VRRP only. */
export class KeepalivedRouter {
  readonly process: RunningProcess;

  private constructor(running: RunningProcess) {
    this.process = running;
  }

  static async start(
    namespace: Namespace,
    priority: number,
    options: { readonly lines?: string; readonly virtualAddresses?: readonly string[]; readonly vrid?: number } = {},
  ): Promise<KeepalivedRouter> {
    const folder = temporaryFolder();
    const file = join(folder, "keepalived.conf");
    const addresses = options.virtualAddresses ?? ["10.0.2.10/24 dev eth0"];
    writeFileSync(
      file,
      `vrrp_instance RW {
  state BACKUP
  interface eth0
  virtual_router_id ${options.vrid ?? 1}
  priority ${priority}
  advert_int 1
  ${options.lines ?? ""}
  virtual_ipaddress {
    ${addresses.join("\n    ")}
  }
}
`,
    );
    const pidFile = (option: string, name: string): string[] => [option, join(folder, `${name}.pid`)];
    const pidFiles = [
      ...pidFile("-p", "parent"),
      ...pidFile("-c", "checkers"),
      ...pidFile("-r", "vrrp"),
      ...pidFile("-b", "bfd"),
    ];
    const args = ["-n", "-l", "-D", "-P", "-f", file, ...pidFiles];
    return new KeepalivedRouter(await namespace.start("keepalived", args, { name: `keepalived in ${namespace.name}` }));
  }

  async waitForState(state: "MASTER" | "BACKUP", timeoutMs = 15_000): Promise<void> {
    await waitFor(() => [...this.process.output.matchAll(/\(RW\) Entering (\w+) STATE/g)].at(-1)?.[1] === state, {
      what: `keepalived to be ${state}`,
      timeoutMs,
      found: () => this.process.output,
    });
  }

  /** SIGTERM: it removes its addresses and resigns. */
  async stop(): Promise<ProcessExit> {
    return await this.process.stop(10_000);
  }
}

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-vrrp-"));
  onCleanup(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
