import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Holdfast } from "../lab/holdfast.ts";
import { createNetwork, type Network, type NetworkHost } from "../lab/netns.ts";
import { requires } from "../lab/requires.ts";

const CONFIGURATION = `vrrp_instance A {
  interface eth0
  virtual_router_id 1
  use_ipvlan ipv1 10.0.2.77/24
  virtual_ipaddress {
    10.0.2.10/24
  }
}
`;

/** Here because not every kernel that has namespaces has ipvlan too. */
requires("ipvs", "tcpdump")("use_ipvlan of a keepalived.conf", () => {
  let folder: string;
  let network: Network;
  let router: NetworkHost;
  let client: NetworkHost;
  let daemon: Holdfast | undefined;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "holdfast-ipvlan-"));
    writeFileSync(join(folder, "keepalived.conf"), CONFIGURATION);
    network = await createNetwork({
      prefix: "ipvlan",
      hosts: [
        { name: "router", addresses: ["10.0.2.1/24"] },
        { name: "client", addresses: ["10.0.2.9/24"] },
      ],
    });
    router = network.host("router");
    client = network.host("client");
    await router.exec("modprobe", ["ipvlan"]);
  });
  afterAll(async () => {
    await daemon?.stop();
    await network?.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  test("the VIP is on it, adverts leave from its own address, the host's routes stay, and nothing is left at the end", async () => {
    const routes = await router.ip("route");
    const watch = await client.start("tcpdump", ["-nli", "eth0", "proto", "112"], { name: "tcpdump" });
    daemon = await Holdfast.start(router, join(folder, "keepalived.conf"), join(folder, "run"));
    await daemon.waitForStatus("the VIP", (status) => status.vrrp.instances[0]?.state === "MASTER");
    await watch.waitForOutput("10.0.2.77 > 224.0.0.18: VRRPv2");
    const shown = await router.ip("address", "show", "dev", "ipv1");
    expect(shown).toContain("inet 10.0.2.77/24");
    expect(shown).toContain("inet 10.0.2.10/32");
    expect(await router.ip("route")).toBe(routes);
    await client.exec("ping", ["-c", "1", "-W", "5", "10.0.2.10"]);
    await daemon.stop();
    await watch.waitForOutput("prio 0");
    expect(await router.ip("link", "show", "type", "ipvlan")).toBe("");
  });
});
