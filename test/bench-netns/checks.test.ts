import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { printFigures, rounds } from "../bench/report.ts";
import { kernelHasIpvs } from "../guest/boot/kernelHasIpvs.ts";
import { checkedServices } from "../lab/checkedServices.ts";
import { NODE_FLAGS } from "../lab/holdfast.ts";
import { keepalivedArguments } from "../lab/keepalived.ts";
import { createNamespace } from "../lab/netns.ts";
import type { RunningProcess } from "../lab/processes.ts";
import { twoProcessors } from "../lab/processors.ts";
import { requires } from "../lab/requires.ts";
import { checkFigures, measureChecks, PROGRAMS } from "./checkLoad.ts";

const CHECKS_PER_SECOND = 2_000;
const DELAY_LOOP_SEC = 1;
const SECONDS = rounds(5, 60);

requires("netns", ...(kernelHasIpvs() ? (["keepalived"] as const) : []))("HTTP checks on one core", () => {
  test(`${CHECKS_PER_SECOND} a second for ${SECONDS} s`, async () => {
    const folder = mkdtempSync(join(tmpdir(), "holdfast-checks-"));
    const namespace = await createNamespace("checks");
    const file = join(folder, "checks.conf");
    const onOneCore = async (name: string, ...program: string[]): Promise<RunningProcess> =>
      await namespace.start("taskset", ["-c", String(twoProcessors().first), ...program], { name });
    const round = { servers: CHECKS_PER_SECOND * DELAY_LOOP_SEC, delayLoopSec: DELAY_LOOP_SEC, seconds: SECONDS };
    try {
      writeFileSync(file, checkedServices(round.servers, DELAY_LOOP_SEC));
      const ours = await measureChecks(namespace, folder, round, async () => {
        const program = join(PROGRAMS, "loadedRouter.js");
        return await onOneCore("holdfast", process.execPath, ...NODE_FLAGS, program, file);
      });
      const theirs = kernelHasIpvs()
        ? await measureChecks(namespace, folder, round, async () => {
            return await onOneCore("keepalived", "keepalived", "--check", ...keepalivedArguments(file, folder));
          })
        : undefined;
      printFigures(`${CHECKS_PER_SECOND} HTTP checks a second for ${SECONDS} s, on one core with everything else`, [
        ...checkFigures("holdfast", ours, round, CHECKS_PER_SECOND),
        ...(theirs === undefined ? [] : checkFigures("keepalived", theirs, round)),
      ]);
      if (theirs === undefined)
        process.stdout.write("  keepalived: not possible here, its checkers end in a kernel without IPVS\n");
      // Every server was asked before the time that is looked at; how often in it is a figure.
      for (const measured of [ours, theirs]) if (measured !== undefined) expect(measured.perSecond).toBeGreaterThan(0);
    } finally {
      namespace.remove();
      rmSync(folder, { recursive: true, force: true });
    }
  }, 600_000);
});
