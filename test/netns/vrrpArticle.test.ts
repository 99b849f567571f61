import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { parseConfig } from "../../src/config/index.ts";
import type { VrrpInstanceConfig } from "../../src/config/vrrp.types.ts";
import { AddressWatch, wallClockMs } from "../lab/addressWatch.ts";
import { createNetwork, type Network } from "../lab/netns.ts";
import { requires } from "../lab/requires.ts";
import { projectRoot } from "../lab/root.ts";
import { waitFor } from "../lab/wait.ts";
import { VrrpHost } from "./vrrp/routers.ts";

const READ_WRITE = "10.0.2.10";
const READ_ONLY = "10.0.2.11";

/** The VRRP half of one of the article's two files, as it is. */
function instancesOf(file: string): readonly VrrpInstanceConfig[] {
  const path = join(projectRoot, "test/lab/article", file);
  const { config, diagnostics } = parseConfig(readFileSync(path, "utf8"), path);
  if (config === undefined) throw new Error(JSON.stringify(diagnostics));
  return config.vrrp.instances;
}

requires("netns")("the article's two load balancers", () => {
  let network: Network;
  let watch: AddressWatch;

  beforeEach(async () => {
    network = await createNetwork({
      prefix: "vrrpa",
      hosts: [
        { name: "kad1", addresses: ["10.0.2.1/24"] },
        { name: "kad2", addresses: ["10.0.2.2/24"] },
      ],
    });
    watch = await AddressWatch.start(network.hosts);
  });

  afterEach(async () => {
    await watch?.stop();
    network?.remove();
  });

  it("hold one VIP each; the survivor takes both after the other's death and gives one back at its return", async () => {
    const kad1 = network.host("kad1");
    const kad2 = network.host("kad2");
    const first = await VrrpHost.start(kad1, instancesOf("kad1.conf"));
    const second = await VrrpHost.start(kad2, instancesOf("kad2.conf"));
    const settled = async (): Promise<void> => {
      await waitFor(() => watch.holders(READ_WRITE).join() === "kad1" && watch.holders(READ_ONLY).join() === "kad2", {
        what: "one VIP at each",
        timeoutMs: 15_000,
        found: () => watch.events(),
      });
    };
    await settled();
    expect((await kad1.addresses()).find(({ address }) => address === READ_WRITE)).toMatchObject({
      label: "eth0:1",
      prefixLength: 32,
    });
    const killedMs = wallClockMs();
    first.process.kill();
    await second.waitForState("MASTER", "PGRW");
    const [gone, taken] = [
      await waitFor(() => watch.first("kad1", READ_WRITE, false, killedMs), { what: "the lapse at kad1" }),
      await waitFor(() => watch.first("kad2", READ_WRITE, true, killedMs), { what: "the VIP at kad2" }),
    ];
    expect(gone.atMs).toBeLessThan(taken.atMs);
    // From the death on: one that started a moment late preempts, and a preemption overlaps.
    expect(watch.doubleHoldMs(READ_WRITE, killedMs)).toBe(0);
    expect(watch.holders(READ_ONLY)).toEqual(["kad2"]);

    const returned = await VrrpHost.start(kad1, instancesOf("kad1.conf"));
    await returned.waitForState("MASTER", "PGRW");
    await settled();
    expect(returned.transitions("PGRW")).toEqual(["BACKUP started", "MASTER lowerPriorityHeard"]);
    expect(returned.transitions("PGRO")).toEqual(["BACKUP started"]);

    // Both stopped in order: nothing is left of either.
    await returned.process.stop();
    await second.process.stop();
    await waitFor(() => watch.holders(READ_WRITE).length + watch.holders(READ_ONLY).length === 0, {
      what: "no holder",
    });
  });
});
