import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { median, printFigures, rounds, worst } from "../bench/report.ts";
import { AddressWatch } from "../lab/addressWatch.ts";
import { Holdfast } from "../lab/holdfast.ts";
import { createNetwork, type Network, type NetworkHost } from "../lab/netns.ts";
import { killTree } from "../lab/processTree.ts";
import { requires } from "../lab/requires.ts";
import { waitFor } from "../lab/wait.ts";

const VIP = "10.0.2.10";
const DEATHS = rounds(2, 20);
const SURVIVOR_PRIORITY = 100;
/** RFC 3768 6.1: 3 x Advertisement_Interval + (256 - Priority) / 256. */
const PROTOCOL_MS = 3_000 + ((256 - SURVIVOR_PRIORITY) / 256) * 1_000;
const RESIDENT_GOAL_MB = 100;

interface Advert {
  readonly atMs: number;
  readonly source: string;
}

/** A director of either kind, killed as a whole. */
interface Director {
  kill(): Promise<void>;
  stop(): Promise<unknown>;
}

function configuration(priority: number): string {
  return `vrrp_instance PGRW {
  state BACKUP
  interface eth0
  virtual_router_id 1
  priority ${priority}
  advert_int 1
  virtual_ipaddress {
    ${VIP}/24 dev eth0 label eth0:1
  }
}
`;
}

async function startHoldfast(host: NetworkHost, file: string, folder: string): Promise<Director> {
  const daemon = await Holdfast.start(host, file, join(folder, `run-${host.host}`));
  return { kill: async () => void (await daemon.killEverything()), stop: () => daemon.stop() };
}

async function startKeepalived(host: NetworkHost, file: string, folder: string): Promise<Director> {
  const pidFiles = ["-p", "-c", "-r"].flatMap((option) => [option, join(folder, `${host.host}${option}.pid`)]);
  const running = await host.start("keepalived", ["-n", "-l", "-P", "-f", file, ...pidFiles], { name: "keepalived" });
  return {
    kill: async () => {
      killTree(running.pid);
      await running.exited;
    },
    stop: () => running.stop(20_000),
  };
}

/** Adverts on the bridge, with the kernel's own time stamps. */
function advertsOf(captured: string): Advert[] {
  return captured.split("\n").flatMap((line) => {
    const match = /^(\d+\.\d+) IP (\d+\.\d+\.\d+\.\d+) > 224\.0\.0\.18: VRRPv2/.exec(line);
    return match === null ? [] : [{ atMs: Number(match[1]) * 1000, source: match[2] ?? "" }];
  });
}

interface Death {
  /** From the dead router's last advert to the survivor's first. */
  readonly takeoverMs: number;
  /** How long both hosts held the address, up to 2 s after the takeover. */
  readonly bothMs: number;
}

async function playDeath(start: typeof startHoldfast): Promise<Death> {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-takeover-"));
  const network: Network = await createNetwork({
    prefix: "takeover",
    hosts: [
      { name: "kad1", addresses: ["10.0.2.1/24"] },
      { name: "kad2", addresses: ["10.0.2.2/24"] },
    ],
  });
  const directors: Director[] = [];
  try {
    const watch = await AddressWatch.start(network.hosts);
    const capture = await network.bridge.start("tcpdump", ["-i", "br0", "-n", "-tt", "-l", "vrrp"], {
      name: "tcpdump",
    });
    for (const [name, priority] of [
      ["kad1", 150],
      ["kad2", SURVIVOR_PRIORITY],
    ] as const) {
      const file = join(folder, `${name}.conf`);
      writeFileSync(file, configuration(priority));
      directors.push(await start(network.host(name), file, folder));
    }
    const sent = (source: string): Advert[] => advertsOf(capture.stdout).filter((advert) => advert.source === source);
    await waitFor(() => sent("10.0.2.1").length >= 3 && watch.holders(VIP).join() === "kad1", {
      what: "kad1 to hold the VIP",
      timeoutMs: 60_000,
    });
    const before = sent("10.0.2.2").length;
    await directors.shift()?.kill();
    await waitFor(() => sent("10.0.2.2").length > before && watch.holders(VIP).includes("kad2"), {
      what: "kad2 to take over",
      timeoutMs: 15_000,
    });
    const last = sent("10.0.2.1").at(-1);
    const first = sent("10.0.2.2")[before];
    if (last === undefined || first === undefined) throw new Error("adverts were captured");
    await waitFor(() => sent("10.0.2.2").length > before + 2, { what: "two more adverts", timeoutMs: 10_000 });
    const bothMs = watch.doubleHoldMs(VIP);
    await capture.stop();
    await watch.stop();
    return { takeoverMs: first.atMs - last.atMs, bothMs };
  } finally {
    for (const director of directors) await director.stop();
    network.remove();
    rmSync(folder, { recursive: true, force: true });
  }
}

requires(
  "netns",
  "keepalived",
  "tcpdump",
)("takeover at advert_int 1 after kill -9 of everything", () => {
  test(`${DEATHS} deaths each of holdfast and keepalived; the protocol's figure is ${PROTOCOL_MS.toFixed(1)} ms`, async () => {
    const deaths = { holdfast: [] as Death[], keepalived: [] as Death[] };
    for (let i = 0; i < DEATHS; i++) {
      deaths.holdfast.push(await playDeath(startHoldfast));
      deaths.keepalived.push(await playDeath(startKeepalived));
    }
    const off = (list: readonly Death[]): number[] => list.map(({ takeoverMs }) => takeoverMs - PROTOCOL_MS);
    printFigures(`takeover (${DEATHS} deaths each)`, [
      {
        what: "holdfast: later than the protocol, median",
        value: median(off(deaths.holdfast)),
        unit: "ms",
        goalAtMost: 5,
      },
      { what: "holdfast: later than the protocol, worst", value: worst(off(deaths.holdfast)), unit: "ms" },
      { what: "keepalived: later than the protocol, median", value: median(off(deaths.keepalived)), unit: "ms" },
      {
        what: "holdfast: both hosts hold the VIP, worst",
        value: worst(deaths.holdfast.map((d) => d.bothMs)),
        unit: "ms",
        goalAtMost: 0,
      },
      {
        what: "keepalived: both hosts hold the VIP, worst",
        value: worst(deaths.keepalived.map((d) => d.bothMs)),
        unit: "ms",
      },
    ]);
    expect(Math.min(...off(deaths.holdfast))).toBeGreaterThan(-2);
    expect(worst(deaths.holdfast.map(({ bothMs }) => bothMs))).toBe(0);
  }, 900_000);
});

/** Resident memory in MB and CPU time in seconds of one process (proc(5)). */
function usage(processId: number): { readonly residentMb: number; readonly cpuSec: number } {
  const resident = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${processId}/status`, "utf8"))?.[1];
  const fields = readFileSync(`/proc/${processId}/stat`, "utf8")
    .replace(/^.*\) /, "")
    .split(" ");
  const ticks = Number(fields[11]) + Number(fields[12]);
  return { residentMb: Number(resident) / 1024, cpuSec: ticks / 100 };
}

requires("netns")("a daemon at rest (VRRP alone; with services: the bench in the guest)", () => {
  test("memory and CPU as MASTER", async () => {
    const folder = mkdtempSync(join(tmpdir(), "holdfast-rest-"));
    const network = await createNetwork({ prefix: "rest", hosts: [{ name: "kad1", addresses: ["10.0.2.1/24"] }] });
    try {
      const file = join(folder, "kad1.conf");
      writeFileSync(file, configuration(255));
      const daemon = await Holdfast.start(network.host("kad1"), file, join(folder, "run"));
      await daemon.waitForStatus("MASTER", (status) => status.vrrp.instances[0]?.state === "MASTER");
      const sentAtFirst = (await daemon.status()).vrrp.instances[0]?.advertsSent ?? 0;
      const before = usage(daemon.process.pid);
      const begunMs = performance.now();
      await daemon.waitForStatus(
        "ten more adverts",
        (status) => (status.vrrp.instances[0]?.advertsSent ?? 0) >= sentAtFirst + 10,
      );
      const tookSec = (performance.now() - begunMs) / 1000;
      const after = usage(daemon.process.pid);
      printFigures("a daemon at rest", [
        { what: "resident memory", value: after.residentMb, unit: "MB", goalAtMost: RESIDENT_GOAL_MB },
        {
          what: "CPU, status asked 50 times a second",
          value: ((after.cpuSec - before.cpuSec) / tookSec) * 100,
          unit: "%",
        },
      ]);
      await daemon.stop();
      expect(after.residentMb).toBeGreaterThan(0);
    } finally {
      network.remove();
      rmSync(folder, { recursive: true, force: true });
    }
  }, 120_000);
});
