import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Holdfast } from "../lab/holdfast.ts";
import { keepalivedArguments } from "../lab/keepalived.ts";
import { createNetwork, type Network, type NetworkHost } from "../lab/netns.ts";
import { requires } from "../lab/requires.ts";
import { projectRoot } from "../lab/root.ts";
import { waitFor } from "../lab/wait.ts";

const PROGRAM = join(projectRoot, "dist/main.js");
const VIP = "10.0.2.10";

function configuration(priority: number, vips = [VIP], device = "eth0"): string {
  return `vrrp_instance PGRW {
  state BACKUP
  interface ${device}
  virtual_router_id 1
  priority ${priority}
  advert_int 1
  virtual_ipaddress {
${vips.map((vip) => `    ${vip}/24 dev ${device}`).join("\n")}
  }
}
`;
}

requires("netns")("the daemon as an operator meets it", () => {
  let folder: string;
  let file: string;
  let network: Network;
  let kad1: NetworkHost;
  const daemons: Holdfast[] = [];

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "holdfast-daemon-"));
    file = join(folder, "holdfast.conf");
    writeFileSync(file, configuration(255));
    network = await createNetwork({ prefix: "daemon", hosts: [{ name: "kad1", addresses: ["10.0.2.1/24"] }] });
    kad1 = network.host("kad1");
  });
  afterEach(async () => {
    for (const daemon of daemons.splice(0)) await daemon.stop();
    network?.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  async function start(runDirectory = join(folder, "run")): Promise<Holdfast> {
    const daemon = await Holdfast.start(kad1, file, runDirectory);
    daemons.push(daemon);
    return daemon;
  }
  const holds = async (vip: string): Promise<boolean> =>
    (await kad1.addresses()).some(({ address }) => address === vip);

  /** Runs the program to its end and gives its exit status and what it said. */
  async function outcome(
    ...args: string[]
  ): Promise<{ readonly status: number | null; readonly out: string; readonly err: string }> {
    const finished = await kad1.exec(process.execPath, [PROGRAM, ...args], { allowFailure: true });
    return { status: finished.status, out: finished.stdout, err: finished.stderr };
  }

  test("a second instance on the same run directory is refused and told who has it", async () => {
    const first = await start();
    await first.ready();
    const second = await outcome("run", "-f", file, "--run-dir", first.runDirectory);
    expect(second.status).toBe(4);
    expect(second.err).toContain(`another holdfast (process ${first.process.pid})`);
    expect((await first.status()).processId).toBe(first.process.pid);
  });

  test("a keepalived of another namespace that ends while it is looked at is not taken for one of this", async () => {
    const daemon = await start();
    await daemon.ready();
    const ended = await kad1.start("true", [], { name: "true" });
    await ended.exited;
    const checks = join(projectRoot, "dist/io/hostChecks.js");
    const program = `import(${JSON.stringify(checks)}).then((m) => console.log(m.isInThisNamespace(${ended.pid}), m.isInThisNamespace(process.pid)))`;
    expect((await kad1.exec(process.execPath, ["-e", program])).stdout.trim()).toBe("false true");
  });

  test("a second instance with a run directory of its own is refused too: it would sweep the first one's VIP", async () => {
    const first = await start();
    await first.waitForStatus("the VIP", (status) => status.vrrp.instances[0]?.state === "MASTER");
    const second = await outcome("run", "-f", file, "--run-dir", join(folder, "other"));
    expect(second.status).toBe(4);
    expect(second.err).toContain("another holdfast runs in this network namespace");
    expect(await holds(VIP)).toBe(true);
  });

  test("a bad file changes nothing, at start and at a reload, and says where and what to do", async () => {
    const daemon = await start();
    await daemon.waitForStatus("the VIP", (status) => status.vrrp.instances[0]?.state === "MASTER");
    writeFileSync(file, configuration(255).replace("advert_int", "advert_intt"));
    const refused = await outcome("reload", "--run-dir", daemon.runDirectory);
    expect(refused.status).toBe(1);
    expect(refused.err).toContain(`${file}:6:3: error: advert_intt is no keyword of vrrp_instance`);
    expect(refused.err).toContain("did you mean advert_int?");
    const status = await daemon.status();
    expect(status.configuration.lastError).toContain("advert_intt");
    expect(status.vrrp.instances[0]?.state).toBe("MASTER");
    expect(await holds(VIP)).toBe(true);
    const start2 = await outcome("run", "-f", file, "--run-dir", join(folder, "other"));
    expect(start2.status).toBe(3);
    expect(start2.err).toContain(":6:3: error");
  });

  test("SIGHUP takes a good file: an added VIP appears, a removed one goes, the state stays", async () => {
    const daemon = await start();
    await daemon.waitForStatus("the VIP", (status) => status.vrrp.instances[0]?.state === "MASTER");
    writeFileSync(file, configuration(255, ["10.0.2.20"]));
    process.kill(daemon.process.pid, "SIGHUP");
    await waitFor(async () => (await holds("10.0.2.20")) && !(await holds(VIP)), {
      what: "the new VIP in the old one's place",
      found: () => daemon.process.output,
    });
    const transitions = (await daemon.status()).events.filter(({ kind }) => kind === "transition");
    expect(transitions.map(({ fields }) => fields.to)).toEqual(["MASTER"]);
  });

  test("SIGTERM releases the VIP and ends with status 0; status then says that nobody runs", async () => {
    const daemon = await start();
    await daemon.waitForStatus("the VIP", (status) => status.vrrp.instances[0]?.state === "MASTER");
    const { status } = await daemon.process.stop(20_000);
    expect(status).toBe(0);
    expect(await holds(VIP)).toBe(false);
    daemons.pop();
    const asked = await outcome("status", "--run-dir", daemon.runDirectory);
    expect(asked.status).toBe(1);
    expect(asked.err).toContain("no holdfast answers");
  });

  test("SIGTERM while starting ends it as well", async () => {
    const daemon = await start();
    await waitFor(() => daemon.process.output.includes("Warning") || daemon.process.output.includes("{"), {
      what: "its first line",
    });
    const { status } = await daemon.process.stop(20_000);
    expect(status === 0 || status === null).toBe(true);
    expect(await holds(VIP)).toBe(false);
    daemons.pop();
  });

  test("a missing interface is told by name, and the instance waits for it", async () => {
    writeFileSync(file, configuration(150, [VIP], "eth7"));
    const daemon = await start();
    const status = await daemon.waitForStatus("the fault", (seen) => seen.vrrp.instances[0]?.state === "FAULT");
    expect(status.vrrp.instances[0]).toMatchObject({ interface: "eth7", last: { reason: "interfaceMissing" } });
    expect(daemon.log()).toContainEqual(
      expect.objectContaining({ event: "configurationWarning", msg: expect.stringContaining("eth7"), line: 3 }),
    );
  });

  test("a warning of the file is logged with its place and remedy, at a start and at a reload", async () => {
    writeFileSync(file, configuration(150).replace("state BACKUP", "state MASTER"));
    const daemon = await start();
    await daemon.ready();
    const warnings = () => daemon.log().filter(({ event }) => event === "configurationWarning");
    const expected = { file, line: 2, column: 3, remedy: expect.stringContaining("BACKUP") };
    expect(warnings()).toEqual([expect.objectContaining(expected)]);
    expect((await outcome("reload", "--run-dir", daemon.runDirectory)).status).toBe(0);
    await waitFor(() => warnings().length === 2, { what: "the warning again", found: () => daemon.process.output });
    expect(warnings()[1]).toEqual(expect.objectContaining(expected));
  });

  test("a missing capability is named", async () => {
    const args = ["--bounding-set=-net_raw", "--inh-caps=-net_raw", process.execPath, PROGRAM, "run", "-f", file];
    const run = await kad1.exec("setpriv", [...args, "--run-dir", join(folder, "run")], { allowFailure: true });
    expect(run.status).toBe(4);
    expect(run.stderr).toContain("this process lacks CAP_NET_RAW");
    expect(run.stderr).not.toContain("CAP_NET_ADMIN");
  });

  test("metrics on the command line and by HTTP", async () => {
    const listen = ["--metrics-listen", "127.0.0.1:9112"];
    const daemon = await Holdfast.start(kad1, file, join(folder, "run"), { arguments: listen });
    daemons.push(daemon);
    await daemon.waitForStatus("the VIP", (status) => status.vrrp.instances[0]?.state === "MASTER");
    const asked = await outcome("metrics", "--run-dir", daemon.runDirectory);
    const read =
      'fetch("http://127.0.0.1:9112/metrics").then((it) => it.text()).then((it) => process.stdout.write(it))';
    const fetched = (await kad1.exec(process.execPath, ["-e", read])).stdout;
    for (const text of [asked.out, fetched]) {
      expect(text).toContain('holdfast_vrrp_state{instance="PGRW",state="MASTER"} 1\n');
      expect(text).toContain(
        'holdfast_vrrp_transitions_total{instance="PGRW",to="MASTER",reason="startedAsOwner"} 1\n',
      );
      expect(text).toMatch(/holdfast_vrrp_timer_lateness_seconds_count \d+\n/);
      expect(text).toMatch(/holdfast_vrrp_adverts_sent_total\{instance="PGRW"\} [1-9]/);
    }
  });

  test("an address for metrics that is none is wrong usage, one that is taken a lack of the host", async () => {
    const run = (address: string) =>
      outcome("run", "-f", file, "--run-dir", join(folder, "run"), "--metrics-listen", address);
    const wrong = await run("9112");
    expect([wrong.status, wrong.err]).toEqual([2, expect.stringContaining("write 127.0.0.1:9112")]);
    const taken = await run("192.0.2.1:9112");
    expect([taken.status, taken.err]).toEqual([4, expect.stringContaining("cannot listen on 192.0.2.1:9112")]);
  });

  test("status in words and as JSON", async () => {
    const daemon = await start();
    await daemon.waitForStatus("the VIP", (status) => status.vrrp.instances[0]?.state === "MASTER");
    const words = await outcome("status", "--run-dir", daemon.runDirectory);
    expect(words.out).toContain("PGRW  MASTER  priority 255");
    const json = await outcome("status", "--json", "--run-dir", daemon.runDirectory);
    expect(JSON.parse(json.out)).toMatchObject({
      processId: daemon.process.pid,
      vrrp: { instances: [{ state: "MASTER" }] },
    });
  });
});

requires("netns", "keepalived")("beside keepalived", () => {
  test("holdfast refuses to run in its network namespace, naming the process, and runs in another", async () => {
    const folder = mkdtempSync(join(tmpdir(), "holdfast-beside-"));
    const network = await createNetwork({
      prefix: "beside",
      hosts: [
        { name: "kad1", addresses: ["10.0.2.1/24"] },
        { name: "kad2", addresses: ["10.0.2.2/24"] },
      ],
    });
    const file = join(folder, "holdfast.conf");
    writeFileSync(file, configuration(150));
    const args = ["--vrrp", ...keepalivedArguments(file, folder)];
    const keepalived = await network.host("kad1").start("keepalived", args, { name: "keepalived" });
    let other: Holdfast | undefined;
    try {
      await waitFor(() => keepalived.output.includes("BACKUP STATE"), {
        what: "keepalived",
        found: () => keepalived.output,
      });
      const run = await network
        .host("kad1")
        .exec(process.execPath, [PROGRAM, "run", "-f", file, "--run-dir", join(folder, "run")], { allowFailure: true });
      expect(run.status).toBe(4);
      expect(run.stderr).toMatch(/keepalived \(process \d+\) runs in this network namespace/);
      other = await Holdfast.start(network.host("kad2"), file, join(folder, "run2"));
      await other.ready();
    } finally {
      await other?.stop();
      await keepalived.stop();
      network.remove();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
