import { expect } from "vitest";
import type { VrrpConfig, VrrpInstanceConfig } from "../../src/config/vrrp.types.ts";
import { family, ip } from "../../src/core/ip.ts";
import { encodeIpv4 } from "../../src/wire/ipv4.ts";
import { encodeAdvert, type VrrpAdvert } from "../../src/wire/vrrp.ts";
import { VrrpDriver } from "../../src/workers/vrrp/driver.ts";
import type { Report } from "../../src/workers/vrrp/instance.ts";
import type { Datagram } from "../../src/workers/vrrp/ports.ts";
import { instanceConfig, vipConfig, vrrpConfig } from "../lab/vrrpConfig.ts";
import { FakeVrrpHost } from "./fakeVrrpHost.ts";

/** What the tests of the driver have in common: a fake host, a driver on it, and packets as a peer sends them. */

export const SECOND = 1_000_000;

export function instance(changes: Parameters<typeof instanceConfig>[0] = {}): VrrpInstanceConfig {
  return instanceConfig({ garp: { masterRepeat: 2 }, virtualAddresses: [vip("10.0.2.10")], ...changes });
}

export function vip(address: string, changes: Partial<VrrpInstanceConfig["virtualAddresses"][number]> = {}) {
  return vipConfig(address.includes(":") ? `${address}/64` : `${address}/24`, changes);
}

interface AdvertChanges extends Partial<Omit<VrrpAdvert, "addresses">> {
  readonly source?: string;
  readonly destination?: string;
  readonly timeToLive?: number;
  readonly addresses?: readonly string[];
}

/** A packet of the other router, 10.0.2.2 or fe80::2. */
export function advert(priority: number, changes: AdvertChanges = {}): Datagram {
  const { source = "10.0.2.2", timeToLive = 255, addresses = ["10.0.2.10"], ...rest } = changes;
  const six = family(ip(source)) === 6;
  const endpoints = { source: ip(source), destination: ip(changes.destination ?? (six ? "ff02::12" : "224.0.0.18")) };
  const message = encodeAdvert(
    {
      version: six ? 3 : 2,
      virtualRouterId: 1,
      priority,
      advertIntervalCs: 100,
      ...rest,
      addresses: addresses.map(ip),
    },
    endpoints,
  );
  if (six) return { bytes: message, ...endpoints, timeToLive, receivedAt: undefined };
  const header = { typeOfService: 0xc0, identification: 1, fragment: 0, timeToLive, protocol: 112, ...endpoints };
  const { destination } = endpoints;
  return {
    bytes: encodeIpv4(header, message),
    source: undefined,
    destination,
    timeToLive: undefined,
    receivedAt: undefined,
  };
}

export function setUpWith(config: VrrpConfig) {
  const host = new FakeVrrpHost();
  const reports: Report[] = [];
  const driver = new VrrpDriver({ host, wallMs: () => 0, report: (message) => reports.push(message) });
  const begin = (): void => {
    driver.start(config, undefined, []);
    driver.releaseElection();
  };
  const becomeMaster = (): void => {
    begin();
    host.advance(3.7 * SECOND);
    expect(driver.status().instances[0]?.state).toBe("MASTER");
    host.calls.length = 0;
    host.sent.length = 0;
    reports.length = 0;
  };
  const alarms = (): string[] => reports.flatMap((message) => (message.kind === "alarm" ? [message.alarm.kind] : []));
  const transitions = (): string[] =>
    reports.flatMap((message) => (message.kind === "transition" ? [message.transition.reason] : []));
  const state = (name = "RW") => driver.status().instances.find((one) => one.name === name);
  return { host, driver, reports, begin, becomeMaster, alarms, transitions, state };
}

export function setUp(...configs: VrrpInstanceConfig[]) {
  return setUpWith(vrrpConfig(configs));
}
