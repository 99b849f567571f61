import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  type ArticleNetwork,
  type BalancerName,
  createArticleNetwork,
  POSTGRES_HOSTS,
  READ_VIP,
  REST_PORT,
  SERVICE_PORT,
  WRITE_VIP,
} from "../lab/articleNetwork.ts";
import { type LabCluster, startStandIns } from "../lab/cluster.ts";
import { Holdfast } from "../lab/holdfast.ts";
import { type Program, startProgram } from "../lab/programs.ts";
import { requires } from "../lab/requires.ts";
import { waitFor } from "../lab/wait.ts";

const TIMEOUT_MS = 180_000;
const READERS = 6;
const PRIORITY = { kad1: 150, kad2: 100 } as const;
const SYNC = "lvs_sync_daemon eth0 inst RW";

/** Both addresses in one instance; writers exclusive, readers spread over three servers. */
function configuration(name: BalancerName, global: string): string {
  const servers = (check: string): string =>
    POSTGRES_HOSTS.map(({ address }) => `  real_server ${address} ${SERVICE_PORT} {\n${check}\n  }\n`).join("");
  const service = (vip: string, check: string): string =>
    `virtual_server ${vip} ${SERVICE_PORT} {\n  lvs_method DR\n  lvs_sched rr\n  protocol TCP\n  delay_loop 1\n  connect_timeout 5\n  inhibit_on_failure\n${servers(check)}}\n`;
  const role = `    HTTP_GET {\n      connect_port ${REST_PORT}\n      url {\n        path /primary\n        status_code 200\n      }\n    }`;
  return `global_defs {
  router_id ${name}
  ${global}
}
vrrp_instance RW {
  state BACKUP
  nopreempt
  interface eth0
  virtual_router_id 51
  priority ${PRIORITY[name]}
  virtual_ipaddress {
    ${WRITE_VIP}/24
    ${READ_VIP}/24
  }
}
${service(WRITE_VIP, role)}${service(READ_VIP, "    TCP_CHECK {\n    }")}`;
}

/** Established sessions and a takeover: with connection sync they go on, of an exclusive service also by sloppy_tcp alone. */
requires("ipvs", "ipvsadm")("sessions over a takeover", () => {
  let network: ArticleNetwork;
  let cluster: LabCluster;
  let folder: string;
  const daemons = new Map<BalancerName, Holdfast>();
  const opened: Program<"sessions">[] = [];

  const daemon = (name: BalancerName): Holdfast => {
    const found = daemons.get(name);
    if (found === undefined) throw new Error(`${name} does not run`);
    return found;
  };
  const file = (name: BalancerName): string => join(folder, `${name}.conf`);
  const start = async (name: BalancerName, runDirectory?: string): Promise<void> => {
    daemons.set(name, await Holdfast.start(network.balancers[name], file(name), runDirectory));
    await daemon(name).ready();
  };
  const state = (name: BalancerName, wanted: string) =>
    daemon(name).waitForStatus(wanted, ({ vrrp }) => vrrp.instances[0]?.state === wanted);
  const reload = async (global: string): Promise<void> => {
    for (const name of daemons.keys()) {
      writeFileSync(file(name), configuration(name, global));
      const { status, stderr } = await daemon(name).command("reload", "--run-dir", daemon(name).runDirectory);
      expect(`${status} ${stderr}`).toBe("0 ");
    }
  };
  const syncDaemons = async (name: BalancerName): Promise<string[]> =>
    (await network.balancers[name].exec("ipvsadm", ["-Ln", "--daemon"])).stdout
      .split("\n")
      .filter((line) => line !== "");
  /** The kernel's threads follow what the status says of the states within the daemon's next turn. */
  const daemonsAre = async (name: BalancerName, wanted: readonly string[]): Promise<void> => {
    await waitFor(async () => (await syncDaemons(name)).join("\n") === wanted.join("\n"), {
      what: `${name}'s threads: ${wanted.join() || "none"}`,
      found: () => syncDaemons(name),
    });
  };
  const sloppy = async (name: BalancerName): Promise<string> =>
    (await network.balancers[name].exec("cat", ["/proc/sys/net/ipv4/vs/sloppy_tcp"])).stdout.trim();
  const sessions = async (vip: string, count: number): Promise<Program<"sessions">> => {
    const args = [vip, SERVICE_PORT, "postgres", "postgres", count, 200];
    const program = await startProgram(network.client, "sessions", args);
    opened.push(program);
    const lines = () => program.lines();
    await waitFor(() => lines().length >= count, { what: `sessions to ${vip}`, timeoutMs: TIMEOUT_MS, found: lines });
    return program;
  };
  /** Each session answers once more, or has ended. */
  const outcome = async (program: Program<"sessions">, count: number): Promise<string[]> => {
    const told = () => program.lines().filter(({ kind }) => kind !== "opened");
    const before = told().length;
    program.process.signal("SIGUSR1");
    await waitFor(() => told().length >= before + count, { what: "an answer", timeoutMs: TIMEOUT_MS, found: told });
    return told()
      .slice(before)
      .map(({ kind }) => kind);
  };

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "holdfast-sync-"));
    network = await createArticleNetwork("sync");
    cluster = await startStandIns(network);
    for (const name of ["kad1", "kad2"] as const) {
      writeFileSync(file(name), configuration(name, SYNC));
      await start(name);
    }
    await state("kad1", "MASTER");
  });
  afterAll(async () => {
    for (const program of opened) await program.stop();
    for (const each of daemons.values()) await each.stop();
    await cluster?.stop();
    network?.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  test("the kernel's threads follow the states, and `holdfast ipvs --daemon` prints what ipvsadm prints", async () => {
    const options = "maxlen=1472, group=224.0.0.81, port=8848, ttl=1)";
    await daemonsAre("kad1", [`master sync daemon (mcast=eth0, syncid=51, ${options}`]);
    await daemonsAre("kad2", [`backup sync daemon (mcast=eth0, syncid=51, ${options}`]);
    const ours = (await daemon("kad2").command("ipvs", "--daemon")).stdout;
    expect(ours.split("\n").filter((line) => line !== "")).toEqual(await syncDaemons("kad2"));
    const { lvs } = await daemon("kad1").status();
    expect(lvs).toMatchObject({ syncFollows: "RW", problems: [], timeoutsSec: { tcp: 900 } });
    expect(lvs?.settings).toContainEqual({ name: "ipv4/vs/sloppy_tcp", before: "0", value: "1" });
  });

  test("with connection sync every session of the readers survives kill -9 of the daemon", async () => {
    const readers = await sessions(READ_VIP, READERS);
    const servers = new Set(readers.lines().map(({ text }) => text));
    expect(servers.size, "sessions on several servers").toBeGreaterThan(1);
    expect(await outcome(readers, READERS)).toEqual(Array(READERS).fill("answered"));
    const { runDirectory } = daemon("kad1");
    await daemon("kad1").killEverything();
    await state("kad2", "MASTER");
    expect(await outcome(readers, READERS)).toEqual(Array(READERS).fill("answered"));
    await waitFor(async () => (await syncDaemons("kad2")).join().includes("master sync daemon"), {
      what: "kad2's thread as master",
      found: () => syncDaemons("kad2"),
    });
    // What the killed one left is set right by its next life.
    await start("kad1", runDirectory);
    await state("kad1", "BACKUP");
    await waitFor(async () => (await syncDaemons("kad1")).join().startsWith("backup"), {
      what: "kad1's thread as backup",
      found: () => syncDaemons("kad1"),
    });
    await readers.stop();
  });

  test("without it a session of the exclusive service survives by sloppy_tcp alone", async () => {
    await reload("");
    for (const name of ["kad1", "kad2"] as const) await daemonsAre(name, []);
    const writers = await sessions(WRITE_VIP, 2);
    await daemon("kad2").stop();
    expect(await sloppy("kad2"), "given back at the end").toBe("0");
    await state("kad1", "MASTER");
    expect(await outcome(writers, 2)).toEqual(["answered", "answered"]);
    await writers.stop();
  });

  test("and with lvs_sloppy_tcp off it ends", async () => {
    await start("kad2");
    await state("kad2", "BACKUP");
    await reload("lvs_sloppy_tcp off");
    expect([await sloppy("kad1"), await sloppy("kad2")]).toEqual(["0", "0"]);
    const writers = await sessions(WRITE_VIP, 2);
    await daemon("kad1").stop();
    await state("kad2", "MASTER");
    // They ask all the time, so they may have ended before anybody looks.
    const ended = () => writers.lines().filter(({ kind }) => kind === "ended").length;
    await waitFor(() => ended() === 2, {
      what: "the end of both",
      timeoutMs: TIMEOUT_MS,
      found: () => writers.lines(),
    });
  });
});
