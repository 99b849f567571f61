import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { wallClockMs } from "../lab/addressWatch.ts";
import { Holdfast, type HoldfastOptions } from "../lab/holdfast.ts";
import { createNetwork, type Network } from "../lab/netns.ts";
import { NotifySocket } from "../lab/notifySocket.ts";
import { requires } from "../lab/requires.ts";
import { waitFor } from "../lab/wait.ts";
import { Capture } from "./vrrp/capture.ts";

const A = "10.0.2.1";
const VIPS = ["10.0.2.10", "10.0.2.11"];
const PATIENCE_MS = 30_000;
const FILTERS = { all: "1", default: "0", eth0: "0" };

/** Two virtual routers in a group on virtual MACs; a script that fails takes 20 from the priority. */
const configuration = (script: string): string => `global_defs {
  script_user root
}
vrrp_script broken {
  script "${script}"
  interval 1
  fall 1
  weight -20
}
vrrp_sync_group G {
  group {
    V1
    V2
  }
  track_script {
    broken
  }
}
${VIPS.map(
  (vip, index) => `vrrp_instance V${index + 1} {
  interface eth0
  virtual_router_id ${index + 1}
  priority 150
  advert_int 1
  use_vmac
  virtual_ipaddress {
    ${vip}/24
  }
}
`,
).join("")}`;

/** What a successor has of its predecessor besides the addresses. */
requires("netns", "tshark")("the state that a handover carries over", () => {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-carried-"));
  const file = join(folder, "holdfast.conf");
  let network: Network;
  let capture: Capture;
  let daemon: Holdfast | undefined;

  beforeAll(async () => {
    network = await createNetwork({ prefix: "carried", hosts: [{ name: "a", addresses: [`${A}/24`] }] });
    capture = await Capture.start(network.bridge);
    writeFileSync(join(folder, "broken.sh"), "#!/bin/sh\nexit 1\n", { mode: 0o755 });
    writeFileSync(file, configuration(join(folder, "broken.sh")));
  });
  afterEach(async () => {
    await daemon?.stop();
    daemon = undefined;
  });
  afterAll(async () => {
    await capture?.stop();
    network?.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  const host = () => network.host("a");
  const filter = async (name: string): Promise<string> =>
    (await host().exec("sysctl", ["-n", `net.ipv4.conf.${name}.rp_filter`])).stdout.trim();
  const devices = async (): Promise<string> => await host().ip("-brief", "link", "show", "type", "macvlan");

  async function start(options: HoldfastOptions = {}): Promise<Holdfast> {
    const started = await Holdfast.start(host(), file, undefined, options);
    daemon = started;
    await started.waitForStatus(
      "two masters under a guard",
      ({ vrrp, guard }) =>
        guard !== undefined && vrrp.will.armed && vrrp.instances.every(({ state }) => state === "MASTER"),
    );
    return started;
  }

  async function handOver(holder: Holdfast): Promise<number> {
    const told = await holder.command("handover", "--run-dir", holder.runDirectory);
    return Number(/^handed over to process (\d+)$/m.exec(told.stdout)?.[1]);
  }

  it("sync group, virtual MACs, results of scripts; and sysctls are given back at the end by the last one", async () => {
    for (const [name, value] of Object.entries(FILTERS)) {
      await host().setSysctl(`net.ipv4.conf.${name}.rp_filter`, value);
    }
    const holder = await start();
    expect(await filter("all")).toBe("0");
    expect(await filter("eth0")).toBe("1");
    const before = await holder.waitForStatus("the script's result", ({ vrrp }) =>
      vrrp.instances.every(({ priorityEffective }) => priorityEffective === 130),
    );
    const devicesBefore = await devices();
    expect(devicesBefore.trim().split("\n")).toHaveLength(2);
    await capture.waitForAdvert("an advert with it", A, ({ priority }) => priority === "130");
    const sinceMs = wallClockMs();
    for (let round = 0; round < 2; round++) await handOver(holder);
    const after = await holder.status();
    expect(after.processId).not.toBe(before.processId);
    expect(after.vrrp.groups).toEqual(before.vrrp.groups);
    expect(after.vrrp.instances.map(({ state, last, priorityEffective }) => [state, last, priorityEffective])).toEqual(
      before.vrrp.instances.map(({ state, last, priorityEffective }) => [state, last, priorityEffective]),
    );
    expect(await devices()).toBe(devicesBefore);
    await waitFor(() => capture.adverts(A, sinceMs + 2_000).length > 0, {
      what: "adverts of the last one",
      timeoutMs: PATIENCE_MS,
    });
    // Not for one advert did anybody forget that the script fails.
    expect(new Set(capture.adverts(A, sinceMs).map(({ priority }) => priority))).toEqual(new Set(["130"]));
    const macs = capture.adverts(A, sinceMs).map(({ ethernetSource }) => ethernetSource);
    expect(new Set(macs)).toEqual(new Set(["00:00:5e:00:01:01", "00:00:5e:00:01:02"]));
    await holder.stop();
    expect(await devices()).toBe("");
    for (const [name, value] of Object.entries(FILTERS)) expect(await filter(name), name).toBe(value);
  });

  it("the service manager is told of the new main process, and by it that it is ready and alive", async () => {
    const manager = new NotifySocket();
    try {
      const holder = await start({ env: { NOTIFY_SOCKET: manager.path, WATCHDOG_USEC: "2000000" } });
      const processId = await handOver(holder);
      const states = manager.states();
      const told = states.indexOf(`MAINPID=${processId}`);
      expect(told, states.join(" ")).toBeGreaterThan(states.indexOf("READY=1"));
      await waitFor(() => manager.states().slice(told).includes("WATCHDOG=1"), {
        what: "the watchdog to be fed by the successor",
        timeoutMs: PATIENCE_MS,
      });
      // What the first process, which has ended, said is what systemd takes from nobody else (NotifyAccess=main).
      await waitFor(() => holder.process.exit, { what: "the end of the first process" });
      const fed = manager.fedAtMs().length;
      await waitFor(() => manager.fedAtMs().length > fed, { what: "more of it", timeoutMs: PATIENCE_MS });
      expect(manager.states().filter((state) => state.startsWith("STOPPING"))).toEqual([]);
    } finally {
      manager.close();
    }
  });
});
