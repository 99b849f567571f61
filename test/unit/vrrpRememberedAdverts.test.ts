import { describe, expect, it } from "vitest";
import { ip } from "../../src/core/ip.ts";
import type { HeardAdvert } from "../../src/vrrp/types.ts";
import { Dispatcher } from "../../src/workers/vrrp/receive.ts";
import { advert, instance } from "./vrrpDriverLab.ts";

/** A dispatcher with one listener on eth0, and what came of each datagram. */
function setUp(...configs: ReturnType<typeof instance>[]) {
  const told: string[] = [];
  const heard: HeardAdvert[] = [];
  const dispatcher = new Dispatcher({
    discarded: (reason) => told.push(reason),
    unknownVrid: (device, { virtualRouterId }, source) => told.push(`${device} ${virtualRouterId} of ${source}`),
  });
  const listeners = configs.map((config) => ({
    config,
    receive: (one: HeardAdvert) => {
      heard.push(one);
      told.push(`${config.name} hears ${one.priority} of ${one.source}`);
    },
    discard: (reason: string) => told.push(`${config.name} discards: ${reason}`),
  }));
  const follow = (): void => dispatcher.follow(listeners, (config) => config.interface);
  follow();
  const dispatch = (datagram: ReturnType<typeof advert>): string[] => {
    dispatcher.dispatch("eth0", datagram.timeToLive === undefined ? 4 : 6, datagram);
    return told.splice(0);
  };
  return { dispatch, heard, dispatcher, listeners };
}

describe("an advert that comes again byte for byte", () => {
  it("is decoded once, and any other byte is seen", () => {
    const { dispatch, heard } = setUp(instance());
    expect(dispatch(advert(100))).toEqual(["RW hears 100 of 10.0.2.2"]);
    expect(dispatch(advert(100))).toEqual(["RW hears 100 of 10.0.2.2"]);
    expect(heard[1]).toBe(heard[0]);
    expect(dispatch(advert(101))).toEqual(["RW hears 101 of 10.0.2.2"]);
    expect(dispatch(advert(100, { source: "10.0.2.3" }))).toEqual(["RW hears 100 of 10.0.2.3"]);
    const spoiled = advert(101);
    spoiled.bytes[28] = 99;
    expect(dispatch(spoiled)).toEqual(["badChecksum"]);
    expect(dispatch(advert(101, { timeToLive: 64 }))).toEqual(["ttlNot255"]);
  });

  it("of IPv6 is another one with another hop limit or destination, which are not in its bytes", () => {
    const { dispatch } = setUp(
      instance({ version: 3, family: 6, transport: { kind: "multicast", group: ip("ff02::12") } }),
    );
    const six = { source: "fe80::2", addresses: ["fe80::10"] };
    expect(dispatch(advert(100, six))).toEqual(["RW hears 100 of fe80::2"]);
    expect(dispatch(advert(100, six))).toEqual(["RW hears 100 of fe80::2"]);
    expect(dispatch(advert(100, { ...six, timeToLive: 64 }))).toEqual(["ttlNot255"]);
    expect(dispatch({ ...advert(100, six), destination: ip("fe80::1") })).toEqual(["badChecksum"]);
  });

  it("is judged anew by another configuration", () => {
    const { dispatch, dispatcher, listeners } = setUp(instance());
    expect(dispatch(advert(100))).toEqual(["RW hears 100 of 10.0.2.2"]);
    const config = instance({ authPassword: "secret" });
    dispatcher.follow([{ ...listeners[0], config } as (typeof listeners)[number]], () => "eth0");
    expect(dispatch(advert(100))).toEqual(["RW discards: authTypeMismatch"]);
    dispatcher.follow([], () => "eth0");
    const unknown = ["unknownVrid", "eth0 1 of 10.0.2.2"];
    expect(dispatch(advert(100))).toEqual(unknown);
    expect(dispatch(advert(100))).toEqual(unknown);
    dispatcher.follow(listeners, () => "eth0");
    expect(dispatch(advert(100))).toEqual(["RW hears 100 of 10.0.2.2"]);
  });
});
