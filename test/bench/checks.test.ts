import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { checkFigures, measureChecks } from "../bench-netns/checkLoad.ts";
import { checkedServices } from "../lab/checkedServices.ts";
import { Holdfast } from "../lab/holdfast.ts";
import { keepalivedArguments } from "../lab/keepalived.ts";
import { createNamespace } from "../lab/netns.ts";
import { requires } from "../lab/requires.ts";
import { printFigures, rounds } from "./report.ts";

/** The emulated guest has no more in it; test/bench-netns/checks.test.ts has the 2,000. */
const ROUND = { servers: rounds(50, 100), delayLoopSec: rounds(1, 5), seconds: rounds(3, 60) };

requires("ipvs", "keepalived")("HTTP checks by whole daemons over the kernel's table", () => {
  test(`${ROUND.servers} servers every ${ROUND.delayLoopSec} s, for ${ROUND.seconds} s`, async () => {
    const folder = mkdtempSync(join(tmpdir(), "holdfast-checks-"));
    const namespace = await createNamespace("bench-checks");
    const file = join(folder, "checks.conf");
    try {
      writeFileSync(file, checkedServices(ROUND.servers, ROUND.delayLoopSec));
      const ours = await measureChecks(namespace, folder, ROUND, async () => {
        const daemon = await Holdfast.start(namespace, file);
        return daemon.process;
      });
      const theirs = await measureChecks(namespace, folder, ROUND, async () => {
        const args = ["--check", ...keepalivedArguments(file, folder)];
        return await namespace.start("keepalived", args, { name: "keepalived" });
      });
      printFigures(`HTTP checks of ${ROUND.servers} servers every ${ROUND.delayLoopSec} s, for ${ROUND.seconds} s`, [
        ...checkFigures("holdfast", ours, ROUND),
        ...checkFigures("keepalived", theirs, ROUND),
      ]);
      // Every server was asked before the time that is looked at; how often in it is a figure.
      for (const { perSecond } of [ours, theirs]) expect(perSecond).toBeGreaterThan(0);
    } finally {
      namespace.remove();
      rmSync(folder, { recursive: true, force: true });
    }
  }, 600_000);
});
