import { afterAll, beforeAll, expect, test } from "vitest";
import { createNetwork, type Network } from "../lab/netns.ts";
import { requires } from "../lab/requires.ts";
import { Systemd } from "../lab/systemd.ts";
import { waitFor } from "../lab/wait.ts";

const UNIT = "holdfast.service";
const VIP = "10.0.2.10";
const PATIENCE_MS = 180_000;
const CONFIGURATION = `vrrp_instance RW {
  interface eth0
  virtual_router_id 1
  priority 150
  virtual_ipaddress {
    ${VIP}/24
  }
}
`;

/** What needs the memory controller of control groups of version 2; all else about the unit is in test/netns. */
requires(
  "netns",
  "systemd",
  "memoryControl",
)("the unit at its memory limit", () => {
  let network: Network;
  let systemd: Systemd;

  beforeAll(async () => {
    network = await createNetwork({ prefix: "unitmem", hosts: [{ name: "a", addresses: ["10.0.2.1/24"] }] });
    const networkNamespace = network.host("a").path;
    systemd = await Systemd.start({ configuration: CONFIGURATION, networkNamespace, memoryControl: true });
  });
  afterAll(async () => {
    await systemd?.stop();
    network?.remove();
  });

  const has = async (): Promise<boolean> => await network.host("a").hasAddress(VIP);

  test("the kernel takes the daemon, its guard lives on and releases, and the service is started again", async () => {
    const patience = { timeoutMs: PATIENCE_MS, found: (): string => `${systemd.words}\n${systemd.log}` };
    await systemd.systemctl(["start", UNIT]);
    await waitFor(has, { what: "the address", ...patience });
    // Far less than the daemon has, and more than the guard.
    await systemd.systemctl(["set-property", "--runtime", UNIT, "MemoryMax=24M"]);
    await waitFor(() => systemd.log.includes("the last will of process"), { what: "the guard's words", ...patience });
    await systemd.systemctl(["set-property", "--runtime", UNIT, "MemoryMax=infinity"]);
    expect(systemd.log).toContain("0 requests and 0 packets were not taken");
    await waitFor(async () => Number(await systemd.show("NRestarts")) > 0, { what: "the restart", ...patience });
    await systemd.systemctl(["reset-failed", UNIT], true);
    await systemd.systemctl(["start", UNIT]);
    await waitFor(has, { what: "the address again", ...patience });
  });
});
