import { expect, test } from "vitest";
import { instantUs, nextMultiple, seconds } from "../../src/core/units.ts";

test.each([
  [0, 2_000_000],
  [1, 2_000_000],
  [1_999_999, 2_000_000],
  [2_000_000, 4_000_000],
])("behind %i us the next multiple of 2 s is at %i", (at, next) => {
  expect(nextMultiple(seconds(2), instantUs(at))).toBe(next);
});
