import { describe, expect, it } from "vitest";
import { ip } from "../../src/core/ip.ts";
import { routeConfig, ruleConfig } from "../lab/vrrpConfig.ts";
import { advert, instance, SECOND, setUp } from "./vrrpDriverLab.ts";

const ROUTED = instance({
  virtualRoutes: [routeConfig("198.51.100.0/24", { gateway: ip("10.0.2.1") })],
  virtualRules: [ruleConfig(100)],
});

describe("virtual routes and rules, on a fake host", () => {
  it("go before the addresses, rules first, and all of it before the resignation", () => {
    const { host, driver, becomeMaster } = setUp(ROUTED);
    host.addLink("eth0", "10.0.2.1/24");
    becomeMaster();
    expect(host.routing.size).toBe(2);
    driver.stop();
    expect(host.calls).toEqual([
      "delete rule 100",
      "delete route 198.51.100.0/24",
      "delete 10.0.2.10/32 eth0",
      "advert eth0 10.0.2.1 vrid=1 priority=0",
    ]);
    expect(host.routing.size).toBe(0);
  });

  it("that others remove are put back with an alarm", () => {
    const { host, driver, becomeMaster, alarms } = setUp(ROUTED);
    host.addLink("eth0", "10.0.2.1/24");
    becomeMaster();
    expect(host.routing.size).toBe(2);
    const [route = ""] = host.routing;
    host.routing.delete(route);
    host.notify({ kind: "routing" });
    host.advance(0.1 * SECOND);
    expect(host.routing.size).toBe(2);
    expect(alarms()).toEqual(["hostOperationFailed"]);
    driver.stop();
  });

  it("no_track: what others remove stays away until the next term, without an alarm", () => {
    const { host, becomeMaster, alarms, state } = setUp(
      instance({
        virtualRoutes: [routeConfig("198.51.100.0/24", { noTrack: true })],
        virtualRules: [ruleConfig(100, { noTrack: true })],
      }),
    );
    host.addLink("eth0", "10.0.2.1/24");
    becomeMaster();
    expect(host.routing.size).toBe(2);
    host.routing.clear();
    host.notify({ kind: "routing" });
    host.advance(3 * SECOND);
    expect([host.routing.size, alarms(), state()?.state]).toEqual([0, [], "MASTER"]);
    host.receive("eth0", advert(200));
    host.advance(5 * SECOND);
    expect([host.routing.size, state()?.state]).toEqual([2, "MASTER"]);
  });

  it("that were refused come when the host has changed: the gateway was out of reach", () => {
    const { host, driver, becomeMaster } = setUp(ROUTED);
    host.addLink("eth0", "10.0.2.1/24");
    host.routingAnswer = "ENETUNREACH";
    becomeMaster();
    expect(host.routing.size).toBe(0);
    host.routingAnswer = undefined;
    host.addLink("eth1", "192.0.2.1/24");
    host.advance(0.1 * SECOND);
    expect(host.routing.size).toBe(2);
    driver.stop();
    expect(host.routing.size).toBe(0);
  });
});
