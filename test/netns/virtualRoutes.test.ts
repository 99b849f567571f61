import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Holdfast } from "../lab/holdfast.ts";
import { createNetwork, type Network, type NetworkHost } from "../lab/netns.ts";
import { requires } from "../lab/requires.ts";
import { waitFor } from "../lab/wait.ts";

const CONFIGURATION = `static_routes {
  192.168.50.0/24 via 10.0.2.254 dev eth0
}
static_rules {
  from 192.168.50.0/24 table 150 preference 150
}
vrrp_instance PGRW {
  state BACKUP
  interface eth0
  virtual_router_id 51
  priority 150
  advert_int 1
  virtual_ipaddress {
    10.0.2.10/24
  }
  virtual_routes {
    src 10.0.2.10 to 192.168.109.0/24 via 10.0.2.254 dev eth0
    blackhole 192.168.114.0/24
    0.0.0.0/0 gw 10.0.2.254 table 100
    2001:db8:1::/48 via fe80::1 dev eth0
  }
  virtual_rules {
    from 10.0.2.10 table 100 preference 100
  }
}
`;

requires("netns")("virtual and static routes and rules of a keepalived.conf", () => {
  let folder: string;
  let network: Network;
  let kad1: NetworkHost;
  let daemon: Holdfast | undefined;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "holdfast-routes-"));
    writeFileSync(join(folder, "keepalived.conf"), CONFIGURATION);
    const hosts = [{ name: "kad1", addresses: ["10.0.2.1/24", "2001:db8::1/64"] }];
    network = await createNetwork({ prefix: "routes", hosts });
    kad1 = network.host("kad1");
  });
  afterEach(async () => {
    await daemon?.stop();
    network?.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  const routes = async (): Promise<string[]> => {
    const shown = await kad1.ip("-4", "route", "show", "table", "all", "proto", "keepalived");
    const six = await kad1.ip("-6", "route", "show", "table", "all", "proto", "keepalived");
    return `${shown}\n${six}`
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => line !== "");
  };
  const rules = async (): Promise<string[]> =>
    (await kad1.ip("rule"))
      .split("\n")
      .filter((line) => /^1[05]0:/.test(line))
      .map((line) => line.replace(/\s+/g, " ").trim());
  const STATIC_ROUTE = "192.168.50.0/24 via 10.0.2.254 dev eth0";
  const OURS = [
    STATIC_ROUTE,
    "192.168.109.0/24 via 10.0.2.254 dev eth0 src 10.0.2.10",
    "blackhole 192.168.114.0/24",
    "default via 10.0.2.254 dev eth0 table 100",
    "2001:db8:1::/48 via fe80::1 dev eth0",
  ];
  const allThere = async (): Promise<boolean> => {
    const shown = await routes();
    return shown.length === OURS.length && OURS.every((route) => shown.some((line) => line.startsWith(route)));
  };
  const RULE = "100: from 10.0.2.10 lookup 100 proto keepalived";
  const STATIC_RULE = "150: from 192.168.50.0/24 lookup 150 proto keepalived";

  test("come with the master, are put back when others delete them, and go at the end; static ones stay", async () => {
    daemon = await Holdfast.start(kad1, join(folder, "keepalived.conf"), join(folder, "run"));
    await daemon.waitForStatus("BACKUP", (status) => status.vrrp.instances[0]?.state === "BACKUP");
    expect((await routes()).map((line) => line.startsWith(STATIC_ROUTE))).toEqual([true]);
    expect(await rules()).toEqual([STATIC_RULE]);
    await daemon.waitForStatus("the VIP", (status) => status.vrrp.instances[0]?.state === "MASTER");
    await waitFor(allThere, { what: "all routes", found: routes });
    expect(await rules()).toEqual([RULE, STATIC_RULE]);

    await kad1.ip("route", "del", "192.168.109.0/24");
    await kad1.ip("route", "del", "192.168.50.0/24");
    await kad1.ip("rule", "del", "preference", "100");
    await waitFor(async () => (await allThere()) && (await rules()).length === 2, {
      what: "what others deleted",
      found: routes,
    });

    // The kernel removes every route with its link, and tells nothing of the IPv4 ones.
    await kad1.ip("link", "set", "eth0", "down");
    await daemon.waitForStatus("the fault", (status) => status.vrrp.instances[0]?.state === "FAULT");
    await kad1.ip("link", "set", "eth0", "up");
    await kad1.ip("address", "replace", "2001:db8::1/64", "dev", "eth0", "nodad");
    await waitFor(async () => (await allThere()) && (await rules()).length === 2, {
      what: "all routes after the link's return",
      timeoutMs: 30_000,
      found: routes,
    });

    await daemon.stop();
    expect((await routes()).map((line) => line.startsWith(STATIC_ROUTE))).toEqual([true]);
    expect(await rules()).toEqual([STATIC_RULE]);
  });

  test("a killed one's are swept at the next start, before the election", async () => {
    daemon = await Holdfast.start(kad1, join(folder, "keepalived.conf"), join(folder, "run"));
    await daemon.waitForStatus("the VIP", (status) => status.vrrp.instances[0]?.state === "MASTER");
    await waitFor(allThere, { what: "all routes", found: routes });
    await daemon.killEverything();
    expect(await allThere()).toBe(true);
    daemon = await Holdfast.start(kad1, join(folder, "keepalived.conf"), join(folder, "run"));
    await daemon.waitForStatus("BACKUP", (status) => status.vrrp.instances[0]?.state === "BACKUP");
    expect(await routes()).toHaveLength(1);
    expect(await rules()).toEqual([STATIC_RULE]);
  });
});
