import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Ip, ip, ipFromBytes } from "../../src/core/ip.ts";
import { loadAddon } from "../../src/io/addon.ts";
import type { NativeAddon, NativeSocket } from "../../src/io/addon.types.ts";
import { LINUX } from "../../src/io/linux.ts";
import { NetlinkNotifications, type NotificationLoss } from "../../src/io/netlinkNotifications.ts";
import { type BatchResult, NetlinkError, NetlinkSocket } from "../../src/io/netlinkSocket.ts";
import { decodeFamily, encodeGetFamily } from "../../src/wire/netlink/genl.ts";
import { type NetlinkMessage, NLM_F } from "../../src/wire/netlink/message.ts";
import {
  decodeAddress,
  decodeLink,
  encodeDeleteAddress,
  encodeGetAddresses,
  encodeGetLinks,
  encodeLink,
  encodeNewAddress,
  localAddress,
  RTM,
  RTNLGRP,
} from "../../src/wire/netlink/rtnl.ts";
import type { MessageWriter } from "../../src/wire/netlink/writer.ts";
import { createNetwork, type Network, type NetworkHost } from "../lab/netns.ts";
import { requires } from "../lab/requires.ts";
import { waitFor } from "../lab/wait.ts";
import { inNamespace } from "./native/inNamespace.ts";
import { linkIndex } from "./native/linkIndex.ts";
import { withHooks } from "./native/wrapSocket.ts";

const OWN = "192.0.2.1";

requires("netns")("netlink", () => {
  const addon = loadAddon();
  const opened: { close(): void }[] = [];
  let network: Network;
  let host: NetworkHost;
  let index: number;

  beforeAll(async () => {
    network = await createNetwork({ prefix: "native", hosts: [{ name: "a", addresses: [`${OWN}/24`] }] });
    host = network.host("a");
    index = await linkIndex(host);
  });
  afterAll(() => network?.remove());
  afterEach(async () => {
    for (const each of opened.splice(0)) each.close();
    await host.ip("address", "flush", "dev", "eth0", "to", "10.0.0.0/8");
  });

  const socket = (
    options: { receiveBufferBytes?: number; timeoutMs?: number; protocol?: number } = {},
    through: NativeAddon = addon,
  ): NetlinkSocket => {
    const { protocol = LINUX.NETLINK_ROUTE, ...rest } = options;
    const made = inNamespace(addon, host.path, () => new NetlinkSocket({ protocol, ...rest }, { addon: through }));
    opened.push(made);
    return made;
  };
  const testAddress = (n: number): Ip => ipFromBytes(Uint8Array.of(10, 0, n >> 8, n & 0xff));
  const add = (writer: MessageWriter, n: number): void => {
    const request = { ip: testAddress(n), prefixLength: 32, linkIndex: index, label: undefined, scope: 0 };
    encodeNewAddress(writer, { ...request, lifetime: undefined, flags: 0 }, "exclusive");
  };
  const addMany = (through: NetlinkSocket, from: number, count: number): BatchResult =>
    through.applyBatch((writer) => {
      for (let n = from; n < from + count; n++) add(writer, n);
    });
  const remove = (writer: MessageWriter, n: number): void => {
    encodeDeleteAddress(writer, { ip: testAddress(n), prefixLength: 32, linkIndex: index });
  };
  const getLink = (writer: MessageWriter): void => {
    const one = { family: 0, hardwareType: 0, index, linkFlags: 0, change: 0 };
    encodeLink(writer, RTM.getLink, NLM_F.request, one);
  };
  const addresses = (messages: readonly NetlinkMessage[]): string[] =>
    messages.map((message) => {
      const decoded = decodeAddress(message);
      if (!decoded.ok) throw new Error(decoded.error.detail);
      const local = localAddress(decoded.value);
      return local.ok ? local.value : "";
    });
  const caught = (call: () => unknown): unknown => {
    try {
      call();
    } catch (error) {
      return error;
    }
    throw new Error("it was accepted");
  };

  describe("requests", () => {
    test("are answered", () => {
      const generic = socket({ protocol: LINUX.NETLINK_GENERIC });
      const [answer, ...more] = generic.request((writer) => encodeGetFamily(writer, "nlctrl"));
      expect(more).toEqual([]);
      expect(answer && decodeFamily(answer)).toMatchObject({ ok: true, value: { id: 16, name: "nlctrl" } });
    });

    test("refusals carry the errno", () => {
      const error = caught(() =>
        socket({ protocol: LINUX.NETLINK_GENERIC }).request((writer) => encodeGetFamily(writer, "NOSUCHFAMILY")),
      );
      expect(error).toBeInstanceOf(NetlinkError);
      expect(error).toMatchObject({ code: "netlinkRefused", errno: 2 });
      expect(String(error)).toContain("ENOENT");
    });

    test("the kernel's own words come along", () => {
      // A /33 is refused by the address family's own check, which explains itself.
      const error = caught(() =>
        socket().request((writer) =>
          encodeNewAddress(
            writer,
            {
              ip: ip("10.9.9.9"),
              prefixLength: 33,
              linkIndex: index,
              label: undefined,
              scope: 0,
              lifetime: undefined,
              flags: 0,
            },
            "exclusive",
          ),
        ),
      );
      expect(error).toMatchObject({ code: "netlinkRefused", errno: 22 });
      expect(String(error)).toMatch(/EINVAL: .*prefix/i);
    });

    test("an answer from another process is not the kernel's", () => {
      let port: NativeSocket | undefined;
      const forger = inNamespace(addon, host.path, () =>
        addon.openSocket(LINUX.AF_NETLINK, LINUX.SOCK_RAW, LINUX.NETLINK_ROUTE),
      );
      opened.push(forger);
      // A success for the very request, in the socket's buffer before the kernel's refusal: struct nlmsgerr, error 0.
      const forge = (data: Uint8Array, offset: number): void => {
        const request = Buffer.from(data.buffer, data.byteOffset + offset, 16);
        const forged = Buffer.alloc(36);
        forged.writeUInt32LE(36, 0);
        forged.writeUInt16LE(2, 4);
        request.copy(forged, 8, 8, 12);
        request.copy(forged, 20);
        if (port !== undefined) forger.send(forged, 0, forged.length, port.address());
      };
      const hooked = withHooks(addon, {
        opened: (each) => {
          port = each;
        },
        sent: forge,
      });
      const attacked = socket({}, hooked);
      expect(caught(() => attacked.request((writer) => remove(writer, 1)))).toMatchObject({ errno: 99 });
      // It came behind the answer that ended the first request.
      attacked.dump(encodeGetLinks);
      expect(attacked.foreignDatagrams).toBeGreaterThan(0);
    });
  });

  describe("dumps", () => {
    test("are whole, over many datagrams", () => {
      const links = socket()
        .dump(encodeGetLinks)
        .map((message) => decodeLink(message));
      expect(links.map((link) => link.ok && link.value.name).sort()).toEqual(["eth0", "lo"]);
      expect(addMany(socket(), 0, 2_000).complete).toBe(true);
      const shown = new Set(addresses(socket().dump(encodeGetAddresses)));
      for (let n = 0; n < 2_000; n++) expect(shown).toContain(testAddress(n));
      expect(shown).toContain(OWN);
    });

    test("during which the table changed are made again", () => {
      const changing = socket();
      expect(addMany(changing, 0, 500).complete).toBe(true);
      let disturb = 1;
      const disturbed = socket({}, withHooks(addon, { beforeReceive: () => disturbOnce() }));
      let n = 500;
      const disturbOnce = (): void => {
        if (disturb-- > 0) addMany(changing, n++, 1);
      };
      expect(addresses(disturbed.dump(encodeGetAddresses))).toContain(testAddress(500));
      expect(disturbed.dumpsInterrupted).toBe(1);
      disturb = 100;
      expect(caught(() => disturbed.dump(encodeGetAddresses))).toMatchObject({ code: "netlinkDumpInterrupted" });
    });

    test("refusals carry the errno", () => {
      const wrong = (writer: MessageWriter): void => {
        writer.begin(0x7f, 0x301);
        writer.u32(0);
        writer.end();
      };
      expect(caught(() => socket().dump(wrong))).toMatchObject({ code: "netlinkRefused", errno: 95 });
    });
  });

  describe("batches", () => {
    test("are applied in order, and refusals belong to their own message", async () => {
      const writing = socket();
      const result = writing.applyBatch((writer) => {
        for (let n = 0; n < 200; n++) add(writer, n);
        for (const twice of [3, 70, 199]) add(writer, twice);
        remove(writer, 5);
        remove(writer, 5);
      }, 64);
      expect(result.complete).toBe(true);
      const exists = { kind: "failed", errno: 17, code: "EEXIST" };
      const missing = { kind: "failed", errno: 99, code: "EADDRNOTAVAIL" };
      expect(result.outcomes.slice(0, 200).every(({ kind }) => kind === "applied")).toBe(true);
      expect(result.outcomes.slice(200)).toMatchObject([exists, exists, exists, { kind: "applied" }, missing]);
      const shown = (await host.addresses()).map(({ address }) => address);
      expect(shown.filter((address) => address.startsWith("10.0.")).length).toBe(199);
      expect(shown).not.toContain(testAddress(5));
    });

    test("go out in sends of the given size", () => {
      const sends: number[] = [];
      const counting = socket({}, withHooks(addon, { sent: (_data, _offset, length) => sends.push(length) }));
      const one = 40; // nlmsghdr 16, ifaddrmsg 8, two attributes of 8
      expect(
        counting.applyBatch((writer) => {
          for (let n = 0; n < 10; n++) add(writer, n);
        }, 4).complete,
      ).toBe(true);
      expect(sends).toEqual([4 * one, 4 * one, 2 * one]);
      expect(counting.applyBatch(() => {})).toEqual({ complete: true, outcomes: [] });
    });

    test("a batch that the kernel gave up in the midst is incomplete, and nothing follows it", async () => {
      const result = socket({ timeoutMs: 100 }).applyBatch((writer) => {
        for (let n = 0; n < 8; n++) add(writer, n);
        // A length below its own header ends the kernel's reading, silently.
        writer.bytes.writeUInt32LE(8, writer.offsetOf(2));
      }, 4);
      expect(result.complete).toBe(false);
      const kinds = result.outcomes.map(({ kind }) => kind);
      expect(kinds).toEqual(["unknown", "unknown", "unknown", "unknown", "notSent", "notSent", "notSent", "notSent"]);
      const shown = (await host.addresses()).map(({ address }) => address);
      expect(shown.filter((address) => address.startsWith("10.0."))).toEqual([testAddress(0), testAddress(1)]);
    });

    test("go out in sends whose refusals fit the receive buffer", () => {
      const result = socket({ receiveBufferBytes: 1 }).applyBatch((writer) => {
        for (let n = 0; n < 400; n++) remove(writer, n);
      }, 200);
      expect(result.complete).toBe(true);
      expect(result.outcomes.length).toBe(400);
      expect(new Set(result.outcomes.map((outcome) => outcome.kind === "failed" && outcome.code))).toEqual(
        new Set(["EADDRNOTAVAIL"]),
      );
    });

    test("lost answers make it incomplete; the socket goes on", () => {
      const small = socket({ receiveBufferBytes: 1 });
      const result = small.applyBatch((writer) => {
        remove(writer, 0);
        // What is told of a link fills the smallest buffer that a socket can have: no room is left for the acknowledgement.
        getLink(writer);
        for (let n = 0; n < 4; n++) add(writer, n);
      }, 2);
      expect(result.complete).toBe(false);
      expect(result.outcomes[0]).toMatchObject({ kind: "failed", code: "EADDRNOTAVAIL" });
      const kinds = result.outcomes.map(({ kind }) => kind);
      expect(kinds.slice(1)).toEqual(["unknown", "notSent", "notSent", "notSent", "notSent"]);
      expect(addresses(small.dump(encodeGetAddresses))).toContain(OWN);
    });
  });

  describe("notifications", () => {
    const listen = (receiveBufferBytes?: number) => {
      const heard: string[] = [];
      const lost: NotificationLoss[] = [];
      const made = inNamespace(
        addon,
        host.path,
        () =>
          new NetlinkNotifications(
            {
              protocol: LINUX.NETLINK_ROUTE,
              groups: [RTNLGRP.link, RTNLGRP.ipv4Address],
              ...(receiveBufferBytes === undefined ? {} : { receiveBufferBytes }),
              onMessages: (messages) =>
                heard.push(...addresses(messages.filter(({ type }) => type === RTM.newAddress))),
              onLost: (cause) => lost.push(cause),
              onError: (error) => expect.unreachable(error.message),
            },
            { addon },
          ),
      );
      opened.push(made);
      return { heard, lost, made };
    };

    test("tell of changes by others", async () => {
      const { heard, lost } = listen();
      await host.ip("address", "add", "10.0.1.1/32", "dev", "eth0");
      await waitFor(() => heard.includes("10.0.1.1"), { what: "the notification" });
      expect(lost).toEqual([]);
    });

    test("an overrun is told, and later notifications come all the same", async () => {
      const { heard, lost } = listen(1);
      // Without a turn of the loop between, so nobody reads.
      expect(addMany(socket(), 0, 500).complete).toBe(true);
      await waitFor(() => lost.length > 0, { what: "the overrun" });
      expect(lost).toEqual(["overrun"]);
      expect(heard.length).toBeLessThan(500);
      await host.ip("address", "add", "10.0.5.5/32", "dev", "eth0");
      await waitFor(() => heard.includes("10.0.5.5"), { what: "a notification after the overrun" });
    });
  });
});
