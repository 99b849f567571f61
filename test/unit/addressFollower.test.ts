import { expect, test } from "vitest";
import { HoldfastError } from "../../src/core/errors.ts";
import type { Logger } from "../../src/core/interfaces.ts";
import { type Ip, ip } from "../../src/core/ip.ts";
import { EventLog } from "../../src/daemon/events.ts";
import { AddressFollower } from "../../src/daemon/lvs/addressFollower.ts";
import { configFrom } from "../lab/configText.ts";
import { VirtualTime } from "../lab/virtualTime.ts";
import { instanceConfig, vrrpConfig } from "../lab/vrrpConfig.ts";

const silent = (): undefined => undefined;
const logger: Logger = { error: silent, warn: silent, info: silent, debug: silent, child: () => logger };

const { virtualServers } = configFrom(`virtual_server 10.0.2.11 5432 {
  lvs_method DR
  lb_algo lc
  protocol TCP
  ha_suspend
  real_server 10.0.2.3 5432 {
    TCP_CHECK {
    }
  }
}`);

function world(readAddresses: () => Iterable<Ip>) {
  const time = new VirtualTime();
  const events = new EventLog({ logger, wallMs: () => 0 });
  const told: string[] = [];
  const tell = (held: ReadonlySet<Ip>): void => void told.push([...held].join(" "));
  const follower = new AddressFollower({ readAddresses, tell, events, clock: time, timers: time });
  follower.configure({ virtualServers, vrrp: vrrpConfig([instanceConfig({ name: "RW" })]) });
  return { follower, time, told, kinds: () => events.latest().map(({ kind }) => kind) };
}

test("a dump that fails leaves the last addresses, is told once, and is tried again within two seconds", async () => {
  let failure: Error | undefined;
  const found = [ip("10.0.2.1")];
  const it = world(() => {
    if (failure !== undefined) throw failure;
    return found;
  });
  expect(it.told).toEqual(["10.0.2.1"]);
  failure = new HoldfastError("netlinkDumpInterrupted", "the table changed during each of 5 dumps");
  it.follower.transition("RW", "MASTER");
  // What VRRP brings is known without the kernel.
  expect(it.told.splice(0)).toEqual(["10.0.2.1", "10.0.2.1 10.0.2.10"]);
  await it.time.pass(5_000);
  expect(it.told).toEqual([]);
  expect(it.kinds()).toEqual(["addressesUnreadable"]);
  failure = undefined;
  found.push(ip("10.0.2.10"), ip("10.0.2.12"));
  await it.time.pass(2_000);
  expect(it.told).toEqual(["10.0.2.1 10.0.2.10 10.0.2.12"]);
  expect(it.kinds()).toEqual(["addressesUnreadable", "addressesReadAgain"]);
  it.follower.stop();
});

test("a host whose addresses were never read is not told to have none", () => {
  const it = world(() => {
    throw new HoldfastError("addressesUnreadable", "socket: EMFILE");
  });
  expect(it.told).toEqual([]);
  it.follower.stop();
});
