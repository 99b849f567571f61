import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { onCleanup } from "../lab/cleanup.ts";
import { waitFor } from "../lab/wait.ts";

/** A control group of a test's own for whole process trees: version 2 where it is mounted alone, else version 1's hierarchies. */
export class ControlGroup {
  readonly #folders: readonly string[];
  readonly #v2: boolean;
  readonly #forget: () => void;

  private constructor(folders: readonly string[], v2: boolean) {
    this.#folders = folders;
    this.#v2 = v2;
    this.#forget = onCleanup(() => this.remove());
  }

  /** `controllers`: what the test needs, `freezer` and `memory`. Undefined where the machine does not give them. */
  static create(name: string, controllers: readonly ("freezer" | "memory")[]): ControlGroup | undefined {
    const root = "/sys/fs/cgroup";
    const v2 = existsSync(join(root, "cgroup.controllers"));
    const folders = v2 ? [join(root, name)] : controllers.map((controller) => join(root, controller, name));
    try {
      for (const folder of folders) mkdirSync(folder);
    } catch {
      return undefined;
    }
    return new ControlGroup(folders, v2);
  }

  add(processId: number): void {
    for (const folder of this.#folders) writeFileSync(join(folder, "cgroup.procs"), String(processId));
  }

  async freeze(frozen: boolean): Promise<void> {
    const folder = this.#folders.find((candidate) => this.#v2 || candidate.includes("/freezer/")) ?? "";
    if (this.#v2) {
      writeFileSync(join(folder, "cgroup.freeze"), frozen ? "1" : "0");
      const wanted = `frozen ${frozen ? 1 : 0}`;
      await waitFor(() => readFileSync(join(folder, "cgroup.events"), "utf8").includes(wanted), { what: wanted });
    } else {
      const wanted = frozen ? "FROZEN" : "THAWED";
      writeFileSync(join(folder, "freezer.state"), wanted);
      await waitFor(() => readFileSync(join(folder, "freezer.state"), "utf8").trim() === wanted, { what: wanted });
    }
  }

  limitMemory(bytes: number): void {
    const folder = this.#folders.find((candidate) => this.#v2 || candidate.includes("/memory/")) ?? "";
    writeFileSync(join(folder, this.#v2 ? "memory.max" : "memory.limit_in_bytes"), String(bytes));
  }

  /** How many processes the kernel has taken for want of memory. */
  outOfMemoryKills(): number {
    const folder = this.#folders.find((candidate) => this.#v2 || candidate.includes("/memory/")) ?? "";
    const text = readFileSync(join(folder, this.#v2 ? "memory.events" : "memory.oom_control"), "utf8");
    return Number(/^oom_kill (\d+)$/m.exec(text)?.[1]);
  }

  remove(): void {
    this.#forget();
    for (const folder of this.#folders) {
      try {
        const moved = readFileSync(join(folder, "cgroup.procs"), "utf8")
          .split("\n")
          .filter((line) => line !== "");
        for (const processId of moved) writeFileSync(join(folder, "..", "cgroup.procs"), processId);
        rmdirSync(folder);
      } catch {
        // Gone already, or its processes are just ending: an empty group of a test does no harm.
      }
    }
  }
}
