import { execFile } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createNamespace, createNetwork, type Network, sweepLeftovers } from "../lab/netns.ts";
import { requires } from "../lab/requires.ts";
import { waitFor } from "../lab/wait.ts";

requires("netns", "ping")("the tests' own networks", () => {
  let network: Network;
  beforeAll(async () => {
    network = await createNetwork({
      prefix: "self",
      hosts: [
        { name: "a", addresses: ["192.0.2.1/24", "2001:db8::1/64"], hardwareAddress: "02:00:00:00:00:0a" },
        { name: "b", addresses: ["192.0.2.2/24", "2001:db8::2/64"] },
      ],
    });
  });
  afterAll(() => network?.remove());

  const reaches = async (address: string): Promise<boolean> =>
    (await network.host("a").exec("ping", ["-c", "1", "-W", "1", address], { allowFailure: true })).status === 0;

  test("hosts reach each other over the bridge, in both families", async () => {
    expect(await reaches("192.0.2.2")).toBe(true);
    expect(await reaches("2001:db8::2")).toBe(true);
  });

  test("addresses are listed with prefix, label and lifetimes", async () => {
    const a = network.host("a");
    await a.ip(
      "address",
      "add",
      "192.0.2.9/32",
      "dev",
      "eth0",
      "label",
      "eth0:vip",
      "valid_lft",
      "60",
      "preferred_lft",
      "0",
    );
    const shown = (await a.addresses()).find((each) => each.address === "192.0.2.9");
    expect(shown).toMatchObject({ family: "inet", prefixLength: 32, label: "eth0:vip", preferredLifetimeSec: 0 });
    expect(shown?.validLifetimeSec).toBeGreaterThan(50);
    expect(shown?.validLifetimeSec).toBeLessThanOrEqual(60);
    expect(await a.hasAddress("2001:db8::1")).toBe(true);
    expect(await a.hasAddress("192.0.2.2")).toBe(false);
    expect(await a.hardwareAddress()).toBe("02:00:00:00:00:0a");
  });

  test("an unplugged host has no carrier, an isolated one does not notice", async () => {
    const b = network.host("b");
    const carrier = async (): Promise<string> => (await b.exec("cat", ["/sys/class/net/eth0/carrier"])).stdout.trim();
    await b.unplug();
    await waitFor(async () => (await carrier()) === "0", { what: "no carrier" });
    expect(await reaches("192.0.2.2")).toBe(false);
    await b.plug();
    await waitFor(async () => (await carrier()) === "1", { what: "carrier" });
    expect(await reaches("192.0.2.2")).toBe(true);
    await b.isolate();
    expect(await carrier()).toBe("1");
    expect(await reaches("192.0.2.2")).toBe(false);
    await b.rejoin();
    expect(await reaches("192.0.2.2")).toBe(true);
  });

  test("a process started inside is the program itself, and ends with the namespace", async () => {
    const namespace = await createNamespace("end");
    const child = await namespace.start("sh", ["-c", "echo ready; exec sleep 1000"]);
    await child.waitForOutput("ready");
    expect(existsSync(`/proc/${child.pid}`)).toBe(true);
    namespace.remove();
    expect((await child.exited).signal).toBe("SIGKILL");
    expect(existsSync(namespace.path)).toBe(false);
  });

  test("a program that ends without the awaited output is reported at once, with what it said", async () => {
    const child = await network.host("a").start("sh", ["-c", "echo sorry; exit 3"]);
    await expect(child.waitForOutput("ready")).rejects.toThrow(/ended with status 3 without ready.*\nsorry/s);
    await expect(network.host("a").exec("false")).rejects.toThrow(/ended with status 1/);
  });

  test("what a killed process left behind is swept, and only that", async () => {
    const script = `
      const { createNamespace } = await import("${new URL("../lab/netns.js", distTestUrl()).href}");
      const namespace = await createNamespace("orphan");
      await namespace.start("sleep", ["1000"]);
      process.kill(process.pid, "SIGKILL");`;
    await expect(promisify(execFile)(process.execPath, ["--input-type=module", "-e", script])).rejects.toMatchObject({
      signal: "SIGKILL",
    });
    const left = readdirSync("/run/netns").filter((name) => name.endsWith("-orphan"));
    expect(left).toHaveLength(1);
    sweepLeftovers();
    expect(existsSync(`/run/netns/${left[0]}`)).toBe(false);
    expect(existsSync(network.host("a").path)).toBe(true);
  });
});

/** The compiled tests: Node 20 cannot run TypeScript itself. */
function distTestUrl(): URL {
  return new URL("../../dist-test/test/netns/", import.meta.url);
}
