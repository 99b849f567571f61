import { it } from "vitest";
import type { Program } from "./programs.ts";

/**
 * One test for each way to give the two parts of a story to the two programs. With HOLDFAST_INTEROP=keepalived instead one
 * with keepalived in both parts: shows that what a test expects is what keepalived itself does.
 */
export function withEitherProgram(title: string, test: (first: Program, second: Program) => Promise<void>): void {
  const parts: readonly (readonly [Program, Program])[] =
    process.env.HOLDFAST_INTEROP === "keepalived"
      ? [["keepalived", "keepalived"]]
      : [
          ["holdfast", "keepalived"],
          ["keepalived", "holdfast"],
        ];
  for (const [first, second] of parts) it(`${title} (${first}, ${second})`, () => test(first, second));
}
