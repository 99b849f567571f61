import { expect, it } from "vitest";
import { vrrpConfig } from "../lab/vrrpConfig.ts";
import { instance, SECOND, setUpWith } from "./vrrpDriverLab.ts";

const polling = (linkbeatInterfaces: readonly string[]) => {
  const lab = setUpWith({ ...vrrpConfig([instance()]), linkbeatInterfaces });
  lab.host.addLink("eth0", "10.0.2.1/24");
  lab.becomeMaster();
  return lab;
};

it("a driver that says what the kernel was never told: down within a second, and up again", () => {
  const { host, state, transitions } = polling(["eth0"]);
  host.driverLinks.set("eth0", false);
  host.advance(1 * SECOND);
  expect(state()).toMatchObject({ state: "FAULT", last: { reason: "interfaceDown" } });
  expect(host.addressesOf("eth0")).not.toContain("10.0.2.10/32");
  host.driverLinks.set("eth0", true);
  host.advance(1 * SECOND);
  expect(transitions()).toEqual(["interfaceDown", "interfaceRecovered"]);
});

it("a driver that cannot tell leaves it to the kernel, and one that sees a link does not outvote it", () => {
  const { host, state } = polling(["eth0"]);
  host.advance(2 * SECOND);
  expect(state()?.state).toBe("MASTER");
  host.driverLinks.set("eth0", true);
  host.setUp("eth0", false);
  host.advance(1 * SECOND);
  expect(state()).toMatchObject({ state: "FAULT", last: { reason: "interfaceDown" } });
});

it("only interfaces that are named are asked", () => {
  const { host, state } = polling(["eth1"]);
  host.driverLinks.set("eth0", false);
  host.addLink("eth1");
  host.advance(2 * SECOND);
  expect(state()?.state).toBe("MASTER");
});
