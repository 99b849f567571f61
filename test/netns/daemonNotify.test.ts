import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Holdfast } from "../lab/holdfast.ts";
import { createNetwork, type Network, type NetworkHost } from "../lab/netns.ts";
import { startProgram } from "../lab/programs.ts";
import { requires } from "../lab/requires.ts";
import { projectRoot } from "../lab/root.ts";
import { waitFor } from "../lab/wait.ts";

const SPLITS_MAX = 20;
const NOBODY = "65534";
const NO_CAPABILITIES = "0000000000000000";

requires("netns")("what the daemon runs, tells and tracks", () => {
  let folder: string;
  let file: string;
  let network: Network;
  let kad1: NetworkHost;
  let kad2: NetworkHost;
  const daemons: Holdfast[] = [];

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "holdfast-notify-"));
    chmodSync(folder, 0o777);
    file = join(folder, "holdfast.conf");
    network = await createNetwork({
      prefix: "notify",
      hosts: [
        { name: "kad1", addresses: ["10.0.2.1/24"] },
        { name: "kad2", addresses: ["10.0.2.2/24"] },
      ],
    });
    kad1 = network.host("kad1");
    kad2 = network.host("kad2");
    // Writes what it was told and what it may; the name of the keyword is its first argument.
    script(
      "tell",
      `echo "$* | $HOLDFAST_FROM $HOLDFAST_REASON | $(id -u) $(sed -n 's/^CapEff:.//p' /proc/self/status)" >>${folder}/told`,
    );
  });
  afterEach(async () => {
    for (const daemon of daemons.splice(0)) await daemon.stop();
    network?.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  function script(name: string, text: string): string {
    const path = join(folder, name);
    writeFileSync(path, `#!/bin/sh\n${text}\n`);
    chmodSync(path, 0o755);
    return path;
  }
  async function start(host: NetworkHost, text: string, name = "holdfast"): Promise<Holdfast> {
    const config = join(folder, `${name}.conf`);
    writeFileSync(config, text);
    const daemon = await Holdfast.start(host, config, join(folder, `run-${name}`));
    daemons.push(daemon);
    return daemon;
  }
  const inState = (daemon: Holdfast, state: string) =>
    daemon.waitForStatus(state, ({ vrrp }) => vrrp.instances[0]?.state === state);
  const told = (): string[] => {
    const path = join(folder, "told");
    return existsSync(path) ? readFileSync(path, "utf8").trimEnd().split("\n") : [];
  };
  /** What was told by a keyword, without the user and its power. */
  const toldBy = (keyword: string): string[] =>
    told()
      .filter((line) => line.startsWith(`${keyword} `))
      .map((line) => line.split(" | ").slice(0, 2).join(" | "));
  async function waitForTold(keyword: string, expected: readonly string[]): Promise<void> {
    await waitFor(() => toldBy(keyword).length >= expected.length, { what: `${keyword} to be told`, found: told });
    expect(toldBy(keyword)).toEqual(expected);
  }

  const notify = (): string =>
    ["master", "backup", "fault", "stop", "deleted", "master_rx_lower_pri"]
      .map((kind) => `notify_${kind} "${folder}/tell ${kind}"`)
      .concat(`notify "${folder}/tell any"`)
      .join("\n  ");

  function configuration(parts: { global?: string; before?: string; instance?: string; priority?: number }): string {
    return `global_defs {
  vrrp_version 3
  script_user nobody nogroup
  enable_script_security
  ${parts.global ?? ""}
}
${parts.before ?? ""}
vrrp_instance PGRW {
  interface eth0
  virtual_router_id 1
  priority ${parts.priority ?? 100}
  advert_int 0.1
  ${notify()}
  ${parts.instance ?? ""}
  virtual_ipaddress {
    10.0.2.10/24
  }
}
`;
  }

  test("every transition starts its script and `notify`, in order, as their user without capabilities, with the reason", async () => {
    const daemon = await start(kad1, configuration({}));
    await inState(daemon, "MASTER");
    await kad1.linkDown();
    await inState(daemon, "FAULT");
    await kad1.linkUp();
    await inState(daemon, "MASTER");
    expect((await daemon.process.stop(20_000)).status).toBe(0);
    expect(toldBy("any")).toEqual([
      "any INSTANCE PGRW BACKUP 100 | INIT started",
      "any INSTANCE PGRW MASTER 100 | BACKUP masterDown",
      "any INSTANCE PGRW FAULT 100 | MASTER interfaceDown",
      "any INSTANCE PGRW BACKUP 100 | FAULT interfaceRecovered",
      "any INSTANCE PGRW MASTER 100 | BACKUP masterDown",
      "any INSTANCE PGRW STOP 100 | MASTER stopped",
    ]);
    expect(told().map((line) => line.split(" ")[0])).toEqual(
      ["backup", "master", "fault", "backup", "master", "stop"].flatMap((kind) => [kind, "any"]),
    );
    expect(new Set(told().map((line) => line.split(" | ")[2]))).toEqual(new Set([`${NOBODY} ${NO_CAPABILITIES}`]));
  });

  test.each([
    ["with CAP_SETUID and CAP_SETGID scripts run as their user", ",+setuid,+setgid"],
    ["without them a user is refused by name, nothing is started", ""],
  ])("as the unit runs it, without root: %s", async (_title, more) => {
    writeFileSync(file, configuration({}));
    const capabilities = `-all,+net_admin,+net_raw${more}`;
    const sets = ["--inh-caps", "--ambient-caps", "--bounding-set"].map((set) => `${set}=${capabilities}`);
    const program = [process.execPath, join(projectRoot, "dist/main.js"), "run", "-f", file, "--run-dir"];
    const run = ["--reuid=65533", "--regid=65533", "--clear-groups", ...sets, ...program, join(folder, "run-plain")];
    const daemon = await kad1.start("setpriv", run, { name: "holdfast without root" });
    try {
      if (more === "") {
        const { status } = await daemon.exited;
        expect([status, daemon.output]).toEqual([4, expect.stringContaining("notify_master of PGRW: ")]);
        expect(daemon.output).toContain("nobody");
        expect(told()).toEqual([]);
        return;
      }
      await waitFor(() => toldBy("any").length >= 2, { what: "MASTER", found: () => [told(), daemon.output] });
      expect(told()[0]).toBe(`backup | INIT started | ${NOBODY} ${NO_CAPABILITIES}`);
    } finally {
      await daemon.stop(20_000);
    }
  });

  test("an instance that a reload removes is told as DELETED", async () => {
    const daemon = await start(kad1, configuration({}));
    await inState(daemon, "MASTER");
    writeFileSync(file, configuration({}).replace("vrrp_instance PGRW", "vrrp_instance OTHER"));
    await daemon.command("reload", "--run-dir", daemon.runDirectory);
    await waitForTold("deleted", ["deleted |  removedByReload"]);
    const any = await waitFor(() => toldBy("any").find((line) => line.includes("DELETED")), {
      what: "notify to be told",
      found: told,
    });
    expect(any).toBe("any INSTANCE PGRW DELETED 100 |  removedByReload");
  });

  test("FIFO and mail tell the same, in keepalived's words", async () => {
    const mails = await startProgram(kad1, "mailServer", ["10.0.2.1", 2525]);
    const fifo = join(folder, "fifo");
    const global = `router_id lb1
  vrrp_notify_fifo ${fifo}
  notification_email {
    ops@example.org
  }
  notification_email_from lb@example.org
  smtp_server 10.0.2.1 2525`;
    try {
      await waitFor(() => mails.process.output.includes("listening"), { what: "the mail server" });
      const daemon = await start(kad1, configuration({ global, instance: "smtp_alert on" }));
      await waitFor(() => existsSync(fifo), { what: "the FIFO", found: () => daemon.process.output });
      const reader = await kad1.start("cat", [fifo], { name: "the FIFO's reader" });
      await inState(daemon, "MASTER");
      const mail = await waitFor(() => mails.lines().find(({ text }) => text.includes("Entering MASTER state")), {
        what: "the mail",
        found: () => [mails.lines(), daemon.process.output],
      });
      expect([mail.from, mail.to]).toEqual(["lb@example.org", ["ops@example.org"]]);
      expect(mail.text).toContain("Subject: [lb1] VRRP Instance PGRW - Entering MASTER state");
      expect(mail.text).toContain("=> VRRP Instance is now owning VRRP VIPs <=");
      expect(mail.text).toContain("(masterDown)");
      const words = await daemon.command("status", "--run-dir", daemon.runDirectory);
      expect(words.stdout).toMatch(/fifo \S+\/fifo: written 2\b/);
      expect((await daemon.process.stop(20_000)).status).toBe(0);
      await reader.exited;
      expect(reader.stdout).toBe(
        ["BACKUP", "MASTER", "STOP"].map((state) => `INSTANCE "PGRW" ${state} 100\n`).join(""),
      );
      expect(existsSync(fifo)).toBe(false);
    } finally {
      await mails.stop();
    }
  });

  test("after a split the better one tells whom it heard; recorded and replayed, the transitions are the same", async () => {
    const global = `vrrp_notify_fifo ${folder}/fifo`;
    const daemon = await start(kad1, configuration({ global, priority: 200 }));
    await inState(daemon, "MASTER");
    const reader = await kad1.start("cat", [join(folder, "fifo")], { name: "the FIFO's reader" });
    const other = await start(kad2, configuration({ priority: 50 }).replace(/^ {2}notify.*\n/gm, ""), "other");
    await inState(other, "BACKUP");
    const heard = (): boolean => toldBy("master_rx_lower_pri").length > 0;
    let splits = 0;
    // Healed, either may be heard first; where it is the better one, the worse one has nothing to say any more.
    for (; splits < SPLITS_MAX && !heard(); splits++) {
      await kad2.isolate();
      await inState(other, "MASTER");
      await kad2.rejoin();
      await inState(other, "BACKUP");
      await waitFor(heard, { what: "the lower priority", timeoutMs: 1_000 }).catch(() => undefined);
    }
    expect(toldBy("master_rx_lower_pri")[0]).toBe("master_rx_lower_pri | MASTER lowerPriorityHeard");
    await reader.waitForOutput('INSTANCE "PGRW" MASTER_RX_LOWER_PRI');

    const recording = join(folder, "recording");
    writeFileSync(recording, (await other.command("record", "--run-dir", other.runDirectory)).stdout);
    const replayed = (await other.command("replay", recording)).stdout.split("\n");
    const events = (await other.status()).events.filter(({ kind }) => kind === "transition");
    const expected = ["BACKUP", ...Array.from({ length: splits }, () => ["MASTER", "BACKUP"]).flat()];
    expect(events.map(({ fields }) => fields.to)).toEqual(expected);
    const transitions = replayed.filter((line) => line.includes(" -> "));
    expect(transitions.map((line) => line.slice("2026-01-01 00:00:00.000  ".length))).toEqual(
      events.map(({ message }) => message),
    );
    // By the wall's clock, to the time that the main thread took to hear of it.
    for (const [index, line] of transitions.entries()) {
      const apartMs = Date.parse(`${line.slice(0, 23).replace(" ", "T")}Z`) - (events[index]?.atMs ?? 0);
      expect(Math.abs(apartMs)).toBeLessThan(2_000);
    }
    expect(replayed.at(-2)).toBe("ends with PGRW BACKUP");
  });

  test("a tracked script: its failure is FAULT with its name, status shows its words, its success ends it", async () => {
    const check = script("check", `[ -e ${folder}/good ] || { echo no good; exit 3; }`);
    writeFileSync(join(folder, "good"), "");
    const before = `vrrp_script good {
  script ${check}
  interval 1
  timeout 1
  rise 1
  fall 1
}`;
    const daemon = await start(kad1, configuration({ before, instance: "track_script {\n    good\n  }" }));
    await inState(daemon, "MASTER");
    rmSync(join(folder, "good"));
    const faulted = await inState(daemon, "FAULT");
    expect(faulted.vrrp.instances[0]).toMatchObject({
      faults: [{ kind: "script", name: "good" }],
      last: { reason: "trackedScriptFailed" },
    });
    const words = (await daemon.command("status", "--run-dir", daemon.runDirectory)).stdout;
    expect(words).toMatch(/script good {2}DOWN since \d{4}-.*last exit status 3 in \d+ ms \("no good"\)/);
    await waitForTold("fault", ["fault | MASTER trackedScriptFailed"]);
    writeFileSync(join(folder, "good"), "");
    const recovered = await inState(daemon, "MASTER");
    expect(recovered.events.filter(({ kind }) => kind === "transition").map(({ fields }) => fields.reason)).toEqual([
      ...["started", "masterDown", "trackedScriptFailed", "trackersRecovered", "masterDown"],
    ]);
  });

  test("a tracked file changes the priority, a tracked process too: adverts, status and FIFO say the new one", async () => {
    const value = join(folder, "value");
    writeFileSync(value, "0");
    const before = `track_file load {
  file ${value}
}
vrrp_track_process worker {
  process holdfast-worker
  weight 30
}`;
    const instance =
      "notify_priority_changes on\n  track_file {\n    load weight 2\n  }\n  track_process {\n    worker\n  }";
    const daemon = await start(kad1, configuration({ global: `vrrp_notify_fifo ${folder}/fifo`, before, instance }));
    await inState(daemon, "MASTER");
    const reader = await kad1.start("cat", [join(folder, "fifo")], { name: "the FIFO's reader" });
    const priority = (wanted: number) =>
      daemon.waitForStatus(`priority ${wanted}`, ({ vrrp }) => vrrp.instances[0]?.priorityEffective === wanted);
    writeFileSync(value, "7");
    await priority(114);
    const worker = join(folder, "holdfast-worker");
    await kad1.exec("cp", ["/bin/sleep", worker]);
    const running = await kad1.start(worker, ["1000"], { name: "the tracked process" });
    await priority(144);
    const words = (await daemon.command("status", "--run-dir", daemon.runDirectory)).stdout;
    expect(words).toMatch(/file load {2}7 since/);
    expect(words).toMatch(/process worker {2}up since .*; 1 running, at least 1 wanted/);
    await running.stop();
    await priority(114);
    await reader.waitForOutput(
      ["114", "144", "114"].map((each) => `INSTANCE "PGRW" MASTER_PRIORITY ${each}\n`).join(""),
    );
  });
});
