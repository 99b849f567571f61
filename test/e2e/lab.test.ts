import { join } from "node:path";
import { expect, test } from "vitest";
import { sweepLeftovers } from "../lab/netns.ts";
import { runProcess, startProcess } from "../lab/processes.ts";
import { requires } from "../lab/requires.ts";
import { projectRoot } from "../lab/root.ts";

const LAB = join(projectRoot, "dist-test/test/lab/main.js");
const STORY_TIMEOUT_MS = 900_000;

async function namespaces(): Promise<string[]> {
  const { stdout } = await runProcess("ip", ["netns", "list"]);
  return stdout.split("\n").filter((line) => line.includes("-lab-"));
}

/** `npm start`, as it is without a terminal. */
requires("netns", "ipvs")("the lab", () => {
  test("plays its story to the end, everything as promised, and leaves nothing behind", {
    timeout: STORY_TIMEOUT_MS,
  }, async () => {
    const lab = await runProcess(process.execPath, [LAB], { timeoutMs: STORY_TIMEOUT_MS, allowFailure: true });
    expect(lab.status, `${lab.stdout}\n${lab.stderr}`).toBe(0);
    expect(lab.stdout).toContain("The story went as promised");
    expect(lab.stdout).not.toContain("FAIL");
    expect(await namespaces()).toEqual([]);
  });

  test("ends clean on Ctrl-C", { timeout: STORY_TIMEOUT_MS }, async () => {
    const lab = await startProcess(process.execPath, [LAB]);
    await lab.waitForOutput("Two load balancers start", 300_000);
    expect(await namespaces()).not.toEqual([]);
    lab.signal("SIGINT");
    expect((await lab.exited).status).toBe(1);
    expect(await namespaces()).toEqual([]);
    expect(sweepLeftovers()).toEqual([]);
  });

  test("says what it knows when it is asked for something else", async () => {
    const lab = await runProcess(process.execPath, [LAB, "--reel"], { timeoutMs: 120_000, allowFailure: true });
    expect(lab.status).toBe(2);
    expect(lab.stderr).toMatch(/--reel.*npm start/s);
  });
});
