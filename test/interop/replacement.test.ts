import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { wallClockMs } from "../lab/addressWatch.ts";
import { requires } from "../lab/requires.ts";
import { Lan } from "./lan.ts";
import type { Program, Router } from "./programs.ts";
import { type InstanceText, instanceText } from "./routerFile.ts";

const VIPS = ["fe80::a", "2001:db8::a"] as const;
const SOURCES = { one: "fe80::11", two: "fe80::12", three: "fe80::13" } as const;
type HostName = keyof typeof SOURCES;
const PRIORITIES: Readonly<Record<HostName, number>> = { one: 150, two: 120, three: 100 };

const file = (host: HostName): string => {
  const instance: InstanceText = {
    priority: PRIORITIES[host],
    version: 3,
    interval: 0.1,
    addresses: VIPS.map((vip) => `${vip}/64`),
  };
  return instanceText(instance);
};

requires(
  "netns",
  "keepalived",
  "tshark",
)("three keepalived routers, version 3 over IPv6", () => {
  let lan: Lan;

  beforeAll(async () => {
    lan = await Lan.open({
      prefix: "replace",
      hosts: (Object.keys(SOURCES) as HostName[]).map((name) => ({ name, addresses: [`${SOURCES[name]}/64`] })),
    });
  });
  afterEach(async () => {
    await lan?.clear();
  });
  afterAll(async () => {
    await lan?.close();
  });

  it("are replaced by holdfast host by host on their own files, with the VIPs always somewhere, and back", async () => {
    const running = new Map<HostName, Router>();
    const start = async (program: Program, host: HostName): Promise<void> => {
      running.set(host, await lan.start(program, host, file(host)));
    };
    const heldBy = async (host: HostName): Promise<void> => {
      for (const vip of VIPS) await lan.untilHeldBy(vip, host);
      await lan.untilAdverts(SOURCES[host], 3, wallClockMs());
    };
    /** Swaps one host's program; of the others the highest holds the VIPs meanwhile. */
    const replace = async (program: Program, host: HostName): Promise<void> => {
      const others = (Object.keys(SOURCES) as HostName[]).filter((name) => name !== host);
      await running.get(host)?.stop();
      await heldBy(others[0] ?? "one");
      await start(program, host);
      await heldBy("one");
      const router = running.get(host);
      if (router !== undefined) await lan.untilState(router, host === "one" ? "MASTER" : "BACKUP");
    };

    for (const host of Object.keys(SOURCES) as HostName[]) await start("keepalived", host);
    await heldBy("one");
    for (const host of ["three", "two", "one"] as const) await replace("holdfast", host);
    expect([...running.values()].map(({ program }) => program)).toEqual(["holdfast", "holdfast", "holdfast"]);
    for (const host of ["one", "two", "three"] as const) await replace("keepalived", host);
  });
});
