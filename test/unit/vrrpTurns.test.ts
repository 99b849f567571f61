import { expect, test } from "vitest";
import { VrrpDriver } from "../../src/workers/vrrp/driver.ts";
import { Turns } from "../../src/workers/vrrp/turns.ts";
import { instanceConfig, vipConfig, vrrpConfig } from "../lab/vrrpConfig.ts";
import { FakeVrrpHost } from "./fakeVrrpHost.ts";
import { SECOND } from "./vrrpDriverLab.ts";

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

test("whatever the driver's timer was for, it is counted when it was answered", () => {
  const host = new FakeVrrpHost();
  host.addLink("eth0", "10.0.2.1/24");
  let turns = 0;
  const turned = (): void => void turns++;
  const driver = new VrrpDriver({ host, wallMs: () => 0, report: () => undefined, turned });
  driver.start(vrrpConfig([instanceConfig({ virtualAddresses: [vipConfig("10.0.2.10/24")] })]), undefined, []);
  driver.releaseElection();
  host.advance(4 * SECOND);
  const before = turns;
  host.advance(3 * SECOND);
  expect(turns - before).toBeGreaterThanOrEqual(3);
});
