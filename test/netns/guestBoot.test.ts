import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { GuestError, resultsFolder, runInGuest } from "../guest/boot.ts";
import { requires } from "../lab/requires.ts";
import { projectRoot } from "../lab/root.ts";
import { waitFor } from "../lab/wait.ts";

// The guest as seen from its host. It needs no namespaces, but qemu, which is not to be run inside of itself.
requires("guest")("booting the guest", () => {
  test("gives the command's output, status, folder and environment; only results stay", async () => {
    const left = join(resultsFolder(), "left-by-guest");
    const unseen = join(projectRoot, "written-in-the-guest");
    rmSync(left, { force: true });
    const script = `pwd; echo "$WORDS"; echo complaint >&2; echo gone > ${unseen}; echo kept > "$HOLDFAST_RESULTS/left-by-guest"
      yes | head -c 300000; grep -c . /proc/net/ip_vs; exit 7`;
    const result = await runInGuest({
      command: "sh",
      args: ["-c", script],
      cwd: join(projectRoot, "src"),
      env: { ...process.env, WORDS: `it's "two"  words` },
    });
    expect(result.status).toBe(7);
    expect(result.stderr).toBe("complaint\n");
    const lines = result.stdout.split("\n");
    expect(lines.slice(0, 2)).toEqual([join(projectRoot, "src"), `it's "two"  words`]);
    // Bulk output arrives whole, and nothing of the kernel's is in it.
    expect(lines.filter((line) => line === "y")).toHaveLength(150_000);
    expect(lines).toHaveLength(150_000 + 4);
    expect(readFileSync(left, "utf8")).toBe("kept\n");
    expect(existsSync(unseen)).toBe(false);
    rmSync(left);
  });

  test("a guest that takes too long is ended", async () => {
    const run = runInGuest({ command: "sleep", args: ["1000"], timeoutMs: 1_500 });
    await expect(run).rejects.toThrow(GuestError);
    await expect(run).rejects.toThrow(/did not end within 1500 ms/);
    expect(machinesOf(process.pid)).toEqual([]);
  });
});

describe.skipIf(!existsSync(join(projectRoot, "dist-test", "test", "guest", "boot.js")))(
  "a killed boot program",
  () => {
    requires("guest")("leaves nothing", () => {
      test("SIGKILL takes the machine along", async () => {
        const boot = spawn(process.execPath, [
          join(projectRoot, "dist-test/test/guest/boot.js"),
          "--",
          "sleep",
          "1000",
        ]);
        const [machine] = await waitFor(() => nonEmpty(machinesOf(boot.pid ?? 0)), { what: "qemu", timeoutMs: 60_000 });
        boot.kill("SIGKILL");
        await waitFor(() => !isRunning(machine ?? 0), { what: "qemu's end" });
        // Its folder is removed by whoever boots next.
        await expect(runInGuest({ command: "true", args: [], timeoutMs: 1 })).rejects.toThrow(GuestError);
        expect(readdirSync(tmpdir()).filter((name) => name.startsWith(`holdfast-guest-${boot.pid}-`))).toEqual([]);
      });
    });
  },
);

function nonEmpty<T>(list: readonly T[]): readonly T[] | undefined {
  return list.length > 0 ? list : undefined;
}

/** The running children of a process that are qemu. */
function machinesOf(parent: number): number[] {
  const children = readFileSync(`/proc/${parent}/task/${parent}/children`, "utf8")
    .split(" ")
    .filter(Boolean)
    .map(Number);
  return children.filter((pid) => isRunning(pid) && readFileSync(`/proc/${pid}/comm`, "utf8").startsWith("qemu"));
}

function isRunning(pid: number): boolean {
  try {
    // Ended and not yet waited for (Z) is ended.
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}
