import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { replay } from "../../src/vrrp/recorder.ts";
import { formatScript, parseScript } from "./script.ts";
import { VrrpLab } from "./vrrpLab.ts";

/**
 * Runs every text scenario. HOLDFAST_REWRITE=1 writes the transcripts that were seen into the files; commit only a
 * difference that you can explain.
 */
const rewrite = process.env.HOLDFAST_REWRITE === "1";
const labs = { vrrp: (): VrrpLab => new VrrpLab() };

for (const [folder, makeLab] of Object.entries(labs)) {
  const root = join(import.meta.dirname, folder);
  describe(folder, () => {
    for (const file of readdirSync(root)
      .filter((name) => name.endsWith(".txt"))
      .sort()) {
      it(file.replace(/\.txt$/, ""), () => {
        const path = join(root, file);
        const parts = parseScript(readFileSync(path, "utf8"));
        const lab = makeLab();
        const transcripts: string[][] = [];
        for (const part of parts) {
          if (part.kind === "prose") continue;
          const seen = part.commands.flatMap((command) => lab.run(command));
          transcripts.push(seen.length === 0 ? ["ok"] : seen);
          if (!rewrite) expect(transcripts.at(-1), `${file}:${part.line}`).toEqual(part.expected);
        }
        expect(transcripts.length, "a scenario has steps").toBeGreaterThan(0);
        // What a flight recorder kept of it, also as a file, gives the same transitions again.
        expect(replay(JSON.parse(JSON.stringify(lab.recording())))).toEqual(lab.transitions);
        if (rewrite) writeFileSync(path, formatScript(parts, transcripts));
      });
    }
  });
}
