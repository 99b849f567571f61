import { expect, test } from "vitest";
import { Turns } from "../../src/workers/vrrp/turns.ts";

test("one thread sees by what both have whether the other has come round since it looked last", () => {
  const looking = new Turns();
  const turning = new Turns(looking.shared);
  expect(looking.hasTurned()).toBe(false);
  turning.count();
  turning.count();
  expect(looking.hasTurned()).toBe(true);
  expect(looking.hasTurned()).toBe(false);
  turning.count();
  expect(looking.hasTurned()).toBe(true);
});
