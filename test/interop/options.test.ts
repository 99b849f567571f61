import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { wallClockMs } from "../lab/addressWatch.ts";
import { requires } from "../lab/requires.ts";
import { waitFor } from "../lab/wait.ts";
import { faultsOf } from "../netns/vrrp/capture.ts";
import { withEitherProgram } from "./eitherProgram.ts";
import { Lan } from "./lan.ts";
import { HoldfastRouter, type Router } from "./programs.ts";
import { type InstanceText, instanceText, quickInstance } from "./routerFile.ts";

const VIP = "10.0.2.10";
const LEFT = "10.0.2.1";
const RIGHT = "10.0.2.2";

const at = (priority: number, ...lines: string[]): InstanceText => quickInstance(priority, VIP, lines);

requires(
  "netns",
  "keepalived",
  "tshark",
)("options of an instance, between two programs", () => {
  let lan: Lan;

  beforeAll(async () => {
    lan = await Lan.open({
      prefix: "options",
      hosts: [
        { name: "left", addresses: [`${LEFT}/24`] },
        { name: "right", addresses: [`${RIGHT}/24`] },
      ],
    });
  });
  afterEach(async () => {
    await lan?.clear();
  });
  afterAll(async () => {
    await lan?.close();
  });

  /** Both are MASTER, each deaf for the other. */
  async function bothMaster(left: Router, right: Router): Promise<void> {
    await lan.untilState(left, "MASTER");
    await lan.untilState(right, "MASTER");
    await lan.untilHeldBy(VIP, "left", "right");
    // Not a number from each: every advert that keepalived 2.2.7 discards as MASTER puts off its own next one.
    await lan.untilAdverts(undefined, 6, wallClockMs());
    expect(left.states().slice(-1)).toEqual(["MASTER"]);
    expect(right.states().slice(-1)).toEqual(["MASTER"]);
  }

  withEitherProgram("PASS: another password, or none, is no peer", async (left, right) => {
    const text = (priority: number, password: string): string =>
      instanceText({
        ...at(
          priority,
          ...(password === "" ? [] : ["authentication {", "auth_type PASS", `auth_pass ${password}`, "}"]),
        ),
        version: 2,
        interval: 1,
      });
    const first = await lan.start(left, "left", text(150, "right"));
    const second = await lan.start(right, "right", text(100, "wrong"));
    await bothMaster(first, second);
    await second.stop();
    await lan.untilState(first, "MASTER");
    const third = await lan.start(right, "right", text(100, ""));
    await bothMaster(first, third);
  });

  withEitherProgram("mcast_dst_ip: a group of its own, not heard by the standard one's", async (left, right) => {
    const group = "mcast_dst_ip 224.0.0.88";
    const first = await lan.start(left, "left", instanceText(at(150, group)));
    await lan.untilState(first, "MASTER");
    const deaf = await lan.start(right, "right", instanceText(at(100)));
    await bothMaster(first, deaf);
    await deaf.stop();
    const second = await lan.start(right, "right", instanceText(at(100, group)));
    await lan.untilState(second, "BACKUP");
    const sinceMs = wallClockMs();
    const adverts = await lan.untilAdverts(LEFT, 6, sinceMs);
    expect(new Set(adverts.map(({ destination }) => destination))).toEqual(new Set(["224.0.0.88"]));
    expect(second.states()).toEqual(["BACKUP"]);
    await first.stop();
    await lan.untilState(second, "MASTER");
  });

  withEitherProgram("unicast_ttl, min_ttl and max_ttl: outside of the range is no peer", async (sender, receiver) => {
    const peer = (own: string, other: string, range = ""): string[] => [
      `unicast_src_ip ${own}`,
      "unicast_peer {",
      `${other} ${range}`,
      "}",
    ];
    lan.faultsOfAdvert = (advert) => faultsOf(advert, advert.source === LEFT ? "10" : "255");
    const first = await lan.start(sender, "left", instanceText(at(150, "unicast_ttl 10", ...peer(LEFT, RIGHT))));
    await lan.untilState(first, "MASTER");
    const inside = await lan.start(
      receiver,
      "right",
      instanceText(at(100, ...peer(RIGHT, LEFT, "min_ttl 9 max_ttl 10"))),
    );
    await lan.untilState(inside, "BACKUP");
    await lan.untilAdverts(LEFT, 8, wallClockMs());
    expect(inside.states()).toEqual(["BACKUP"]);
    await inside.stop();
    const outside = await lan.start(receiver, "right", instanceText(at(100, ...peer(RIGHT, LEFT, "min_ttl 11"))));
    await lan.untilState(outside, "MASTER");
    await lan.untilHeldBy(VIP, "left", "right");
  });

  withEitherProgram("check_unicast_src: who is no configured peer is not heard", async (stranger, router) => {
    // The stranger sends to the router, which expects another one.
    const first = await lan.start(
      stranger,
      "left",
      instanceText(at(150, `unicast_src_ip ${LEFT}`, "unicast_peer {", RIGHT, "}")),
    );
    await lan.untilState(first, "MASTER");
    const expecting = (...lines: string[]): string =>
      instanceText(at(100, ...lines, `unicast_src_ip ${RIGHT}`, "unicast_peer {", "10.0.2.99", "}"));
    const strict = await lan.start(router, "right", expecting("check_unicast_src"));
    await lan.untilState(strict, "MASTER");
    await strict.stop();
    const lax = await lan.start(router, "right", expecting());
    await lan.untilState(lax, "BACKUP");
    await lan.untilAdverts(LEFT, 10, wallClockMs());
    expect(lax.states()).toEqual(["BACKUP"]);
  });

  withEitherProgram(
    "another address list: keepalived is deaf to it, holdfast is not and says so",
    async (high, low) => {
      for (const addresses of [[`${VIP}/24`, "10.0.2.11/24"], ["10.0.2.11/24"]]) {
        const first = await lan.start(high, "left", instanceText({ ...at(150), addresses }));
        await lan.untilState(first, "MASTER");
        const second = await lan.start(low, "right", instanceText(at(100)));
        if (second instanceof HoldfastRouter) {
          await lan.untilState(second, "BACKUP");
          await waitFor(() => second.alarms("addressListMismatch").length > 0, {
            what: "an alarm",
            found: () => second.process.output,
          });
          await lan.untilAdverts(LEFT, 10, wallClockMs());
          expect(second.states()).toEqual(["BACKUP"]);
        } else {
          await lan.untilState(second, "MASTER");
          // One is enough, and more may be long in coming: every advert that it discards puts off its own next one.
          await lan.untilAdverts(RIGHT, 1, second.startedMs);
          // It is of lower priority: whoever is MASTER stays it.
          await lan.untilAdverts(LEFT, 5, wallClockMs());
          expect(first.states()).toEqual(["BACKUP", "MASTER"]);
        }
        await Promise.all([first.stop(), second.stop()]);
      }
    },
  );

  it("v3_checksum without_pseudo_header: heard by holdfast, refused by keepalived", async () => {
    // tshark knows only the form of the standard.
    lan.faultsOfAdvert = (advert) =>
      faultsOf(advert).filter((fault) => advert.source === RIGHT || !/^checksum/.test(fault));
    const without = instanceText(at(150, "v3_checksum without_pseudo_header"));
    const first = await lan.start("holdfast", "left", without);
    await lan.untilState(first, "MASTER");
    const hearing = await lan.start("holdfast", "right", instanceText(at(100)));
    await lan.untilState(hearing, "BACKUP");
    const adverts = await lan.untilAdverts(LEFT, 10, wallClockMs());
    expect(new Set(adverts.flatMap((advert) => faultsOf(advert)))).toEqual(new Set(["checksum 0"]));
    expect(hearing.states()).toEqual(["BACKUP"]);
    await hearing.stop();
    const deaf = await lan.start("keepalived", "right", instanceText(at(100)));
    await bothMaster(first, deaf);
    expect(deaf.process.output).toMatch(/checksum/i);
  });

  withEitherProgram("excluded addresses come and go with the state, and are not advertised", async (left, right) => {
    const excluded = ["10.0.7.10", "2001:db8::10"];
    const file = (priority: number): string =>
      instanceText(at(priority, "virtual_ipaddress_excluded {", "10.0.7.10/24 dev eth0", "2001:db8::10/64", "}"));
    const heldBy = async (host: string): Promise<void> => {
      for (const address of [VIP, ...excluded]) await lan.untilHeldBy(address, host);
    };
    const first = await lan.start(left, "left", file(150));
    await heldBy("left");
    const second = await lan.start(right, "right", file(100));
    await lan.untilState(second, "BACKUP");
    const [advert] = await lan.untilAdverts(LEFT, 1, wallClockMs());
    expect(advert).toMatchObject({ count: "1", addresses: VIP });
    for (const address of excluded) {
      expect(lan.capture.announcements(address, first.startedMs).length).toBeGreaterThanOrEqual(5);
    }
    await first.stop();
    await heldBy("right");
    // And back: the newcomer preempts.
    await lan.start(left, "left", file(150));
    await heldBy("left");
  });
});
