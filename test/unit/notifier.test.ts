import { describe, expect, test } from "vitest";
import type { Config, MailConfig, NotifyFifoConfig, VirtualServerConfig } from "../../src/config/types.ts";
import type { NotifyConfig, ScriptCommand, SyncGroupConfig } from "../../src/config/vrrp.types.ts";
import { ip } from "../../src/core/ip.ts";
import type { MailMessage, MailServer, NotifyFifo } from "../../src/core/notify.ts";
import type { ScriptOutcome, ScriptRequest } from "../../src/core/scripts.ts";
import { seconds } from "../../src/core/units.ts";
import { EventLog } from "../../src/daemon/events.ts";
import { Notifier } from "../../src/daemon/notify/notifier.ts";
import type { StateName, Transition } from "../../src/vrrp/types.ts";
import { fakeRunner } from "../lab/fakeRunner.ts";
import { recordingLogger } from "../lab/recordingLogger.ts";
import { VirtualTime } from "../lab/virtualTime.ts";
import { instanceConfig, vrrpConfig } from "../lab/vrrpConfig.ts";
import { realServer, virtualServer } from "../sim/healthRig.ts";

const OK: ScriptOutcome = { kind: "exited", status: 0 };
const script = (...words: string[]): ScriptCommand => ({ arguments: words, user: "check", group: undefined });
const NOTIFY: NotifyConfig = {
  master: script("/master", "own word"),
  backup: script("/backup"),
  fault: script("/fault"),
  stop: script("/stop"),
  deleted: script("/deleted"),
  tellsDeleted: false,
  masterRxLowerPri: script("/lower"),
  any: script("/any", "own"),
  priorityChanges: false,
  smtpAlert: false,
};
const MAIL: MailConfig = {
  ...{ to: ["admin@example.org", "second@example.org"], from: undefined, server: "mail.example.org", port: 25 },
  ...{ heloName: undefined, connectTimeout: seconds(30), noFaults: false },
};
const FIFO: NotifyFifoConfig = {
  ...{ path: "/run/f", user: undefined, group: undefined, events: ["vrrp"], script: undefined },
};

interface Changes {
  readonly notify?: Partial<NotifyConfig>;
  readonly global?: Partial<Config["global"]>;
  readonly groups?: readonly SyncGroupConfig[];
  readonly instances?: readonly string[];
  readonly services?: readonly VirtualServerConfig[];
}

function configuration({ notify = {}, global = {}, groups = [], instances = ["VI_1"], services = [] }: Changes = {}) {
  return {
    global: {
      ...{ routerId: "lb1", vrrpStrict: false, enableScriptSecurity: false, scriptUser: undefined, fifos: [FIFO] },
      ...{ mail: MAIL, startupScript: undefined, shutdownScript: undefined, fifoWriteStatesOnReload: false },
      ...{ vrrpRealtimePriority: undefined, tellsFirstUp: false, kick: undefined },
      ...global,
    },
    vrrp: vrrpConfig(
      instances.map((name) => instanceConfig({ name, notify: { ...NOTIFY, ...notify } })),
      { syncGroups: groups },
    ),
    virtualServers: services,
  };
}

function world(changes: Changes = {}, outcome: (request: ScriptRequest) => ScriptOutcome | undefined = () => OK) {
  const time = new VirtualTime();
  const { runner, runs } = fakeRunner(() => time.nowUs(), outcome);
  const { logger, messages } = recordingLogger();
  const lines: string[] = [];
  const fifoCalls: string[] = [];
  const mails: { server: MailServer; message: MailMessage }[] = [];
  let mailAnswer: () => Promise<void> = () => Promise.resolve();
  const notifier = new Notifier({
    ...{ runner, clock: time, timers: time, wallMs: () => 0, events: new EventLog({ logger, wallMs: () => 0 }) },
    openFifo: ({ path }): NotifyFifo => {
      if (path.includes("bad")) throw new Error("not permitted");
      fifoCalls.push(`open ${path}`);
      return {
        write: (line) => void lines.push(line),
        status: () => ({ path, written: lines.length, waiting: 0, dropped: 0, problem: undefined }),
        close: () => void fifoCalls.push(`close ${path}`),
      };
    },
    sender: {
      send: async (server, message) => {
        mails.push({ server, message });
        await mailAnswer();
      },
    },
    hostName: () => "host1",
  });
  notifier.configure(configuration(changes));
  return {
    ...{ time, runs, messages, lines, fifoCalls, mails, notifier },
    mailAnswers: (answer: () => Promise<void>) => {
      mailAnswer = answer;
    },
    calls: () => runs.map(({ request }) => request.arguments.join(" ")),
  };
}

const transition = (to: StateName, changes: Partial<Transition> = {}): Transition => ({
  ...{ from: "BACKUP", to, reason: "masterDown" },
  evidence: { ownPriority: 150, peer: ip("10.0.2.2"), peerPriority: 100 },
  ...changes,
});

describe("scripts", () => {
  test.each([
    ["MASTER", ["/master own word", "/any own INSTANCE VI_1 MASTER 150"]],
    ["BACKUP", ["/backup", "/any own INSTANCE VI_1 BACKUP 150"]],
    ["FAULT", ["/fault", "/any own INSTANCE VI_1 FAULT 150"]],
  ] as const)("%s: the state's own, then notify with keepalived's four words", async (to, calls) => {
    const { notifier, time, calls: made, runs } = world();
    notifier.transition("VI_1", transition(to));
    await time.pass(1);
    expect(made()).toEqual(calls);
    expect(runs[0]?.request).toMatchObject({ user: "check", timeout: undefined });
  });

  test("the reason and its evidence are in the environment", async () => {
    const { notifier, time, runs } = world();
    notifier.transition("VI_1", transition("MASTER"));
    await time.pass(1);
    for (const { request } of runs) {
      expect(request.environment).toEqual({
        HOLDFAST_REASON: "masterDown",
        HOLDFAST_FROM: "BACKUP",
        HOLDFAST_EVIDENCE: '{"peer":"10.0.2.2","peerPriority":100,"ownPriority":150}',
      });
    }
  });

  test("of one instance they run one after the other, in order; another instance does not wait", async () => {
    const { notifier, time, runs, calls } = world({ instances: ["VI_1", "VI_2"] }, () => undefined);
    notifier.transition("VI_1", transition("MASTER"));
    notifier.transition("VI_1", transition("FAULT"));
    notifier.transition("VI_2", transition("BACKUP"));
    await time.pass(1);
    expect(calls()).toEqual(["/master own word", "/backup"]);
    runs[0]?.end(OK);
    await time.pass(1);
    expect(calls().slice(2)).toEqual(["/any own INSTANCE VI_1 MASTER 150"]);
    runs[2]?.end(OK);
    await time.pass(1);
    expect(calls().slice(3)).toEqual(["/fault"]);
  });

  test("one that hangs is told and overtaken after 30 s, and not killed", async () => {
    const { notifier, time, runs, calls, messages } = world({}, () => undefined);
    notifier.transition("VI_1", transition("MASTER"));
    await time.pass(29_999);
    expect(calls()).toHaveLength(1);
    await time.pass(1);
    expect(calls()).toEqual(["/master own word", "/any own INSTANCE VI_1 MASTER 150"]);
    expect(runs[0]?.killed).toBe(false);
    expect(messages).toContain("notify_master of VI_1 has not ended; it runs on, others no longer wait for it");
    let drained = false;
    void notifier.drained().then(() => {
      drained = true;
    });
    runs[1]?.end(OK);
    await time.pass(1);
    expect(drained).toBe(false);
    runs[0]?.end(OK);
    await time.pass(1);
    expect(drained).toBe(true);
  });

  test("waiting ones are bounded: the oldest are dropped, counted and told", async () => {
    const { notifier, time, messages, runs } = world({}, () => undefined);
    for (let i = 0; i < 40; i++) notifier.transition("VI_1", transition(i % 2 === 0 ? "MASTER" : "BACKUP"));
    await time.pass(1);
    const [scripts] = notifier.status().scripts;
    expect(scripts).toMatchObject({ started: 1, waiting: 64, dropped: 15 });
    expect(messages.filter((line) => line.includes("too many notifications wait"))).toHaveLength(15);
    expect(runs).toHaveLength(1);
  });

  test("a failure is told with its outcome and counted", async () => {
    const { notifier, time, messages } = world({ notify: { any: undefined } }, () => ({ kind: "exited", status: 3 }));
    notifier.transition("VI_1", transition("MASTER"));
    await time.pass(1);
    expect(messages).toEqual(["notify_master of VI_1: exit status 3"]);
    expect(notifier.status().scripts[0]).toMatchObject({ failed: 1, last: { outcome: "exit status 3" } });
  });

  test("a lower priority heard by a MASTER runs its own script alone", async () => {
    const { notifier, time, calls, runs } = world();
    notifier.lowerPriority("VI_1", { peer: "10.0.2.3", priority: 90 });
    await time.pass(1);
    expect(calls()).toEqual(["/lower"]);
    expect(runs[0]?.request.environment.HOLDFAST_EVIDENCE).toBe('{"peer":"10.0.2.3","peerPriority":90}');
  });
});

describe("end and removal", () => {
  test("an instance that begins anew is not told of; at the end it is STOP", async () => {
    const { notifier, time, calls } = world();
    notifier.transition("VI_1", transition("INIT", { reason: "stopped" }));
    await time.pass(1);
    expect(calls()).toEqual([]);
    notifier.stopping();
    notifier.transition("VI_1", transition("INIT", { reason: "stopped" }));
    notifier.finish();
    await time.pass(1);
    expect(calls()).toEqual(["/stop", "/any own INSTANCE VI_1 STOP 150"]);
  });

  test("what VRRP said nothing of is told too, groups last", async () => {
    const group = { name: "G", members: ["VI_1"], notify: { ...NOTIFY, stop: undefined } };
    const { notifier, time, lines } = world({ groups: [group] });
    notifier.finish();
    await time.pass(1);
    expect(lines).toEqual(['INSTANCE "VI_1" STOP 100\n', 'GROUP "G" STOP 0\n']);
  });

  test.each([
    [true, ["/deleted", "/any own INSTANCE VI_1 DELETED 150"]],
    [false, ["/fault", "/any own INSTANCE VI_1 FAULT 150"]],
  ])("removed by a reload, notify_deleted written: %s", async (tellsDeleted, calls) => {
    const { notifier, time, calls: made } = world({ notify: { tellsDeleted } });
    notifier.transition("VI_1", transition("MASTER"));
    await time.pass(1);
    notifier.deleted("VI_1");
    notifier.configure(configuration({ instances: [] }));
    await time.pass(1);
    expect(made().slice(2)).toEqual(calls);
    expect(notifier.status().scripts).toEqual([]);
  });
});

describe("FIFOs", () => {
  test("keepalived's lines, in order, groups with priority 0", () => {
    const group = { name: "G", members: ["VI_1"], notify: NOTIFY };
    const { notifier, lines } = world({ groups: [group] });
    notifier.transition("VI_1", transition("MASTER"));
    notifier.groupTransition("G", { from: "BACKUP", to: "MASTER", reason: "groupMaster" });
    notifier.lowerPriority("VI_1", { peer: "10.0.2.3", priority: 90 });
    expect(lines).toEqual([
      'INSTANCE "VI_1" MASTER 150\n',
      'GROUP "G" MASTER 0\n',
      'INSTANCE "VI_1" MASTER_RX_LOWER_PRI 150\n',
    ]);
  });

  test("changes of priority only where they are asked for, and in MASTER and BACKUP", () => {
    for (const [priorityChanges, state, expected] of [
      [false, "MASTER", []],
      [true, "MASTER", ['INSTANCE "VI_1" MASTER_PRIORITY 90\n']],
      [true, "BACKUP", ['INSTANCE "VI_1" BACKUP_PRIORITY 90\n']],
      [true, "FAULT", []],
    ] as const) {
      const { notifier, lines } = world({ notify: { priorityChanges } });
      notifier.priorityChanged("VI_1", { priority: 90, state });
      expect(lines, `${priorityChanges} ${state}`).toEqual(expected);
    }
  });

  test("states are written again at a reload where that is asked for", () => {
    for (const fifoWriteStatesOnReload of [true, false]) {
      const { notifier, lines } = world();
      notifier.transition("VI_1", transition("MASTER"));
      notifier.priorityChanged("VI_1", { priority: 90, state: "MASTER" });
      lines.length = 0;
      notifier.configure(configuration({ global: { fifoWriteStatesOnReload } }));
      expect(lines).toEqual(fifoWriteStatesOnReload ? ['INSTANCE "VI_1" MASTER 90\n'] : []);
    }
  });

  test("one that cannot be used is told by name, and the others go on", () => {
    const { notifier, lines, messages } = world({ global: { fifos: [{ ...FIFO, path: "/bad" }, FIFO] } });
    notifier.transition("VI_1", transition("MASTER"));
    expect(lines).toEqual(['INSTANCE "VI_1" MASTER 150\n']);
    expect(messages).toContain("the notify FIFO /bad cannot be used: not permitted");
    expect(notifier.status().fifos[0]).toMatchObject({ path: "/bad", problem: "not permitted" });
  });

  test("the script that reads it gets its name last, is started again with longer and longer pauses, and ends with it", async () => {
    const fifos = [{ ...FIFO, script: script("/reader", "x") }];
    const { notifier, time, runs, calls, fifoCalls } = world({ global: { fifos } }, () => undefined);
    expect(calls()).toEqual(["/reader x /run/f"]);
    runs[0]?.end({ kind: "exited", status: 1 });
    await time.pass(999);
    expect(runs).toHaveLength(1);
    await time.pass(1);
    runs[1]?.end({ kind: "exited", status: 1 });
    await time.pass(1_999);
    expect(runs).toHaveLength(2);
    await time.pass(1);
    expect(runs).toHaveLength(3);
    expect(notifier.status().fifos[0]?.script).toEqual({ running: true, restarts: 2, lastOutcome: "exit status 1" });
    // The same definition goes on over a reload.
    notifier.configure(configuration({ global: { fifos } }));
    expect(fifoCalls).toEqual(["open /run/f"]);
    const closed = notifier.close();
    expect(fifoCalls).toEqual(["open /run/f", "close /run/f"]);
    expect(runs[2]?.killed).toBe(false);
    await time.pass(1_000);
    expect(runs[2]?.killed).toBe(true);
    runs[2]?.end({ kind: "signalled", signal: "SIGTERM" });
    await closed;
    await time.pass(60_000);
    expect(runs).toHaveLength(3);
  });
});

describe("mail", () => {
  test("keepalived's subject and first line, then the reason", async () => {
    const { notifier, mails } = world({ notify: { smtpAlert: true } });
    notifier.transition("VI_1", transition("MASTER"));
    await notifier.drained();
    expect(mails).toEqual([
      {
        server: { server: "mail.example.org", port: 25, heloName: "host1", timeoutMs: 30_000 },
        message: {
          from: "keepalived@host1",
          to: ["admin@example.org", "second@example.org"],
          subject: "[lb1] VRRP Instance VI_1 - Entering MASTER state",
          text: `=> VRRP Instance is now owning VRRP VIPs <=

Reason: no master was heard within the master-down interval (masterDown)
Before: BACKUP
Priority: 150
Peer: 10.0.2.2
Priority of the peer: 100
Own priority: 150
At: 1970-01-01T00:00:00.000Z
Host: host1
`,
        },
      },
    ]);
  });

  test.each([
    ["without smtp_alert", { notify: { smtpAlert: false } }, "MASTER", 0],
    ["without an address", { notify: { smtpAlert: true }, global: { mail: undefined } }, "MASTER", 0],
    ["FAULT", { notify: { smtpAlert: true } }, "FAULT", 1],
    [
      "FAULT with no_email_faults",
      { notify: { smtpAlert: true }, global: { mail: { ...MAIL, noFaults: true } } },
      "FAULT",
      0,
    ],
  ] as const)("%s", async (_title, changes, to, count) => {
    const { notifier, mails } = world(changes);
    notifier.transition("VI_1", transition(to));
    await notifier.drained();
    expect(mails).toHaveLength(count);
  });

  test("a server that fails is a line and a counter, one that hangs makes nothing wait but mail, and the oldest are given up", async () => {
    const { notifier, time, messages, mailAnswers, calls } = world({ notify: { smtpAlert: true, any: undefined } });
    mailAnswers(() => Promise.reject(new Error("550 go away")));
    notifier.transition("VI_1", transition("MASTER"));
    await notifier.drained();
    expect(notifier.status().mail).toMatchObject({ failed: 1, lastFailure: { detail: "550 go away" } });
    expect(messages.some((line) => line.startsWith("mail not sent by mail.example.org: 550 go away"))).toBe(true);
    mailAnswers(() => new Promise(() => undefined));
    for (let i = 0; i < 66; i++) notifier.transition("VI_1", transition("BACKUP"));
    await time.pass(1);
    expect(notifier.status().mail).toMatchObject({ waiting: 64, dropped: 1 });
    expect(calls().length).toBeGreaterThan(60);
  });
});

describe("services", () => {
  const server = { ...realServer(3, []), notify: { up: script("/up", "a"), down: script("/down"), smtpAlert: false } };
  const notify = { ...virtualServer([]).notify, quorumUp: script("/quorum-up"), quorumDown: script("/quorum-down") };
  const service = virtualServer([server], { notify });
  const [name, at] = [service.name, "10.0.2.3:5432"];
  const lvs = { fifos: [{ ...FIFO, events: ["lvs"] as const }] };
  const verdict = (from: "up" | "down" | "unknown", to: "up" | "down") =>
    ({ kind: "verdict", service: name, server: at, from, to, reason: "no answer" }) as const;
  const quorum = (to: "up" | "down") =>
    ({ kind: "quorum", service: name, from: undefined, to, weight: 0, needed: 1 }) as const;

  test("scripts and FIFO are told of servers and quorum, in keepalived's words", async () => {
    const { notifier, lines, calls, runs } = world({ services: [service], global: lvs });
    for (const event of [verdict("up", "down"), quorum("down"), verdict("down", "up"), quorum("up")])
      notifier.health(event);
    await notifier.drained();
    expect(calls()).toEqual(["/down", "/quorum-down", "/up a", "/quorum-up"]);
    expect(lines).toEqual([
      "RS [10.0.2.3]:tcp:5432 [10.0.2.10]:tcp:5432 DOWN\n",
      "VS [10.0.2.10]:tcp:5432 DOWN\n",
      "RS [10.0.2.3]:tcp:5432 [10.0.2.10]:tcp:5432 UP\n",
      "VS [10.0.2.10]:tcp:5432 UP\n",
    ]);
    expect(runs[0]?.request).toMatchObject({
      user: "check",
      environment: { HOLDFAST_REASON: "no answer", HOLDFAST_SERVER: at },
    });
    expect(notifier.status().scripts).toContainEqual(expect.objectContaining({ subject: "SERVICE", name, started: 4 }));
  });

  test("a first verdict is told when it is down, and what is not configured any more is not told", async () => {
    const { notifier, calls } = world({ services: [service], global: lvs });
    notifier.health(verdict("unknown", "up"));
    notifier.health(verdict("unknown", "down"));
    await notifier.drained();
    notifier.configure(configuration({ services: [] }));
    notifier.health(quorum("down"));
    await notifier.drained();
    expect(calls()).toEqual(["/down"]);
  });

  test("rs_init_notifies: a first verdict of up is told, too", async () => {
    const { notifier, calls } = world({ services: [service], global: { ...lvs, tellsFirstUp: true } });
    notifier.health(verdict("unknown", "up"));
    await notifier.drained();
    expect(calls()).toEqual(["/up a"]);
  });

  test("omega: at the end what was up is told to be down, servers first; without it nothing is", async () => {
    const omega = { ...service, notify: { ...notify, downAtEnd: true } };
    for (const [services, expected] of [
      [[omega], ["/down", "/quorum-down"]],
      [[service], []],
    ] as const) {
      const { notifier, calls, lines } = world({ services, global: lvs, instances: [] });
      notifier.health(verdict("unknown", "up"));
      notifier.health(quorum("up"));
      await notifier.drained();
      const before = calls().length;
      lines.splice(0);
      notifier.finish();
      await notifier.drained();
      expect(calls().slice(before)).toEqual(expected);
      expect(lines.filter((line) => line.includes("DOWN"))).toHaveLength(expected.length);
    }
  });

  test("omega tells nothing of what is down already", async () => {
    const { notifier, calls } = world({
      services: [{ ...service, notify: { ...notify, downAtEnd: true } }],
      instances: [],
    });
    notifier.health(verdict("up", "down"));
    notifier.health(quorum("down"));
    notifier.finish();
    await notifier.drained();
    expect(calls()).toEqual(["/down", "/quorum-down"]);
  });

  test("mail of servers and quorum where smtp_alert asks for it, in keepalived's subject", async () => {
    const loud = { ...service, realServers: [{ ...server, notify: { ...server.notify, smtpAlert: true } }] };
    const { notifier, mails } = world({ services: [{ ...loud, notify: { ...notify, smtpAlert: true } }] });
    notifier.health(verdict("up", "down"));
    notifier.health(quorum("down"));
    await notifier.drained();
    const quiet = world({ services: [service] });
    quiet.notifier.health(verdict("up", "down"));
    quiet.notifier.health(quorum("down"));
    await quiet.notifier.drained();
    expect(mails.map(({ message }) => message.subject)).toEqual([
      "[lb1] Realserver [10.0.2.3]:tcp:5432 of virtual server [10.0.2.10]:tcp:5432 - DOWN",
      "[lb1] Virtualserver [10.0.2.10]:tcp:5432 - DOWN",
    ]);
    expect(mails[0]?.message.text).toContain("Reason: no answer");
    expect(quiet.mails).toEqual([]);
  });

  test("marks and groups have keepalived's names", () => {
    const mark = virtualServer([], { name: "FWM 30", targets: [{ protocol: "FWM", mark: 30, family: 4 }] });
    const group = virtualServer([], { name: "TCP group W" });
    const { notifier, lines } = world({ services: [mark, group], global: lvs });
    for (const each of [mark, group]) notifier.health({ ...quorum("up"), service: each.name });
    expect(lines).toEqual(["VS FWM 30 UP\n", "VS [W]:0 UP\n"]);
  });
});
