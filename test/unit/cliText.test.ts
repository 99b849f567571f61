import { expect, test } from "vitest";
import { formatCounters, formatIpvsTable } from "../../src/cli/ipvsText.ts";
import { formatStatus } from "../../src/cli/statusText.ts";
import { ip } from "../../src/core/ip.ts";
import { durationUs } from "../../src/core/units.ts";
import type { DaemonStatus } from "../../src/daemon/control.types.ts";
import { type KernelDestination, type KernelService, NO_STATISTICS } from "../../src/plan/types.ts";
import { NO_TUNNEL } from "../lab/ipvsDefaults.ts";
import { FULL_STATUS } from "./statusSample.ts";

const statistics = NO_STATISTICS;

function row(address: string, weight: number, active: number, inactive: number): KernelDestination {
  return {
    address: ip(address),
    port: 5432,
    weight,
    forwarding: "route",
    upperThreshold: 0,
    lowerThreshold: 0,
    ...NO_TUNNEL,
    activeConnections: active,
    inactiveConnections: inactive,
    persistentConnections: 0,
    statistics,
  };
}

function service(
  address: string,
  destinations: KernelDestination[],
  changes: Partial<KernelService> = {},
): KernelService {
  return {
    key: { protocol: "TCP", address: ip(address), port: 5432 },
    scheduler: "lc",
    persistenceTimeoutSec: 0,
    persistencePrefix: 32,
    onePacket: false,
    schedulerFlags: 0,
    persistenceEngine: "",
    statistics,
    destinations,
    ...changes,
  };
}

test("what operators have said stands before the services and beside each server", () => {
  const [service] = status.services;
  const [server] = service?.servers ?? [];
  if (service === undefined || server === undefined) throw new Error("a service with a server");
  const overridden = {
    ...status,
    operator: {
      overrides: [
        { target: "10.0.2.3 everywhere", weight: 0, endsAtMs: 60_000, keep: true, servers: ["a"] },
        { target: "10.0.2.9:80 of TCP X", weight: 5, endsAtMs: undefined, keep: false, servers: [] },
      ],
      repairPausedUntilMs: 60_000,
    },
    services: [
      {
        ...service,
        servers: [
          { ...server, weight: 0, override: { weight: 0, target: "10.0.2.3 everywhere", endsIn: undefined } },
          { ...server, weight: 0, override: { weight: 5, target: "10.0.2.3 everywhere", endsIn: undefined } },
        ],
      },
    ],
  };
  const text = formatStatus(overridden);
  expect(text).toMatch(/REPAIR PAUSED until .*00:01:00.*: the kernel's table is left to an administrator/);
  expect(text).toMatch(/OVERRIDE 10\.0\.2\.3 everywhere: drained \(until .*00:01:00.*, kept over a restart\)/);
  expect(text).toContain("OVERRIDE 10.0.2.9:80 of TCP X: weight 5 (until `holdfast enable`, NO SUCH SERVER NOW)");
  expect(text).toMatch(/weight 0 .*\(OVERRIDE: drained\)/);
  expect(text).toMatch(/weight 0 .*\(OVERRIDE: weight 5, WITHOUT EFFECT NOW\)/);
});

test("the article's table prints as in the article (ipvsadm 1.31 -Ln)", () => {
  const services = [
    service("10.0.2.11", [row("10.0.2.5", 50, 0, 0), row("10.0.2.3", 50, 0, 0), row("10.0.2.4", 50, 0, 0)]),
    service("10.0.2.10", [row("10.0.2.3", 0, 0, 0), row("10.0.2.4", 0, 0, 0), row("10.0.2.5", 50, 0, 9)]),
  ];
  const printed = formatIpvsTable({ version: "1.2.1", connectionTableSize: 4096 }, services);
  expect(printed.split("\n").map((line) => line.trimEnd())).toEqual([
    "IP Virtual Server version 1.2.1 (size=4096)",
    "Prot LocalAddress:Port Scheduler Flags",
    "  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn",
    "TCP  10.0.2.10:5432 lc",
    "  -> 10.0.2.3:5432                Route   0      0          0",
    "  -> 10.0.2.4:5432                Route   0      0          0",
    "  -> 10.0.2.5:5432                Route   50     0          9",
    "TCP  10.0.2.11:5432 lc",
    "  -> 10.0.2.3:5432                Route   50     0          0",
    "  -> 10.0.2.4:5432                Route   50     0          0",
    "  -> 10.0.2.5:5432                Route   50     0          0",
    "",
  ]);
});

test("counters and rates print in ipvsadm's columns, large ones rounded (ipvsadm 1.31 -Ln --stats, --rate)", () => {
  const counted = { ...NO_STATISTICS, connections: 12n, packetsIn: 99_999_999n, packetsOut: 100_000_000n };
  const busy = {
    ...row("10.0.2.3", 50, 0, 0),
    statistics: { ...counted, bytesIn: 5_123_456_789n, bytesOut: 7_000_000_000_000n, connectionsPerSecond: 3n },
  };
  const services = [service("10.0.2.10", [busy, row("10.0.2.4", 0, 0, 0)])];
  const info = { version: "1.2.1", connectionTableSize: 4096 };
  expect(formatCounters(info, services, "stats").split("\n")).toEqual([
    "IP Virtual Server version 1.2.1 (size=4096)",
    "Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes",
    "  -> RemoteAddress:Port",
    "TCP  10.0.2.10:5432                      0        0        0        0        0",
    "  -> 10.0.2.3:5432                      12 99999999  100000K    5123M    7000G",
    "  -> 10.0.2.4:5432                       0        0        0        0        0",
    "",
  ]);
  const rates = formatCounters(info, services, "rate").split("\n");
  expect(rates[1]).toBe("Prot LocalAddress:Port                 CPS    InPPS   OutPPS    InBPS   OutBPS");
  expect(rates[4]).toBe("  -> 10.0.2.3:5432                       3        0        0        0        0");
});

test("persistence, its mask and firewall marks print in ipvsadm's words", () => {
  const services = [
    service("10.0.2.10", [], { persistenceTimeoutSec: 300, persistencePrefix: 24 }),
    service("10.0.2.10", [], { key: { protocol: "FWM", mark: 7, family: 4 }, scheduler: "rr" }),
  ];
  const lines = formatIpvsTable({ version: "1.2.1", connectionTableSize: 4096 }, services).split("\n");
  expect(lines.slice(3, 5)).toEqual(["TCP  10.0.2.10:5432 lc persistent 300 mask 255.255.255.0", "FWM  7 rr"]);
});

const status: DaemonStatus = {
  version: "0.1.0",
  processId: 42,
  startedAtMs: 0,
  configuration: { file: "/etc/keepalived/keepalived.conf", loadedAtMs: 0, lastError: undefined },
  guard: { processId: 43, lockedInMemory: true },
  lvs: FULL_STATUS.lvs,
  kickDoor: FULL_STATUS.kickDoor,
  vrrp: {
    instances: [
      {
        name: "PGRW",
        interface: "eth0",
        version: 2,
        family: 4,
        virtualRouterId: 1,
        state: "MASTER",
        priority: 150,
        priorityEffective: 150,
        faults: [],
        group: undefined,
        last: { from: "BACKUP", to: "MASTER", reason: "masterDown", evidence: { ownPriority: 150 }, atMs: 1_000 },
        master: undefined,
        transport: { kind: "multicast", group: ip("224.0.0.18") },
        sourceAddress: ip("10.0.2.1"),
        peers: [],
        virtualMac: undefined,
        leaseLifetimeSec: 2,
        addresses: [
          {
            address: ip("10.0.2.10"),
            device: "eth0",
            label: "eth0:1",
            prefixConfigured: 24,
            prefixProgrammed: 32,
            advertised: true,
            held: true,
            permanent: false,
          },
        ],
        routes: [],
        rules: [],
        alarms: [],
        advertsSent: 3,
        advertsReceived: 0,
        discarded: {},
      },
    ],
    groups: [],
    statics: [],
    trackers: [],
    announcementsWaiting: 0,
    will: { attached: true, armed: true, limitMs: 2_000 },
    discarded: { badChecksum: 2, ttlNot255: 0 },
    timerLateness: { boundsUs: [], counts: [], maxUs: 0, sumUs: 0 },
    realtime: true,
  },
  services: [
    {
      service: "TCP 10.0.2.10:5432",
      exclusive: true,
      holder: "10.0.2.3:5432",
      hunting: false,
      conflict: false,
      quorum: "up",
      sorryServer: undefined,
      roleLoss: { policy: "cut" },
      servers: [
        {
          server: "10.0.2.3:5432",
          verdict: "up",
          reason: "HTTP 200 from /primary",
          role: "primary",
          timeline: 4,
          lagBytes: undefined,
          lastResultAge: durationUs(0),
          weight: 50,
          override: undefined,
          loss: undefined,
        },
      ],
      scheduler: "lc",
      persistenceConfiguredSec: 1,
      persistenceProgrammedSec: 0,
      drifts: 0,
      inSync: true,
    },
  ],
  operator: { overrides: [], repairPausedUntilMs: undefined },
  trackers: [],
  notifications: {
    scripts: [],
    fifos: [],
    mail: { sent: 0, failed: 0, dropped: 0, waiting: 0, lastFailure: undefined },
  },
  counts: { events: [], transitions: [], groupTransitions: [] },
  usage: { cpuUs: 0, residentBytes: 0 },
  events: [{ sequence: 1, atMs: 0, kind: "started", message: "holdfast runs", fields: {} }],
};

test("status tells who holds what, where connections go, and why", () => {
  const text = formatStatus(status);
  expect(text).toContain("PGRW  MASTER  priority 150, VRID 1 on eth0: masterDown at 1970-01-01 00:00:01.000");
  expect(text).toContain("10.0.2.10/24 (programmed as /32) dev eth0 label eth0:1: HELD");
  expect(text).toContain("packets discarded: badChecksum 2");
  expect(text).not.toContain("ttlNot255");
  expect(text).toContain("exclusive, held by 10.0.2.3:5432");
  expect(text).toContain("persistence 1 s not programmed on an exclusive service");
  expect(text).toContain("10.0.2.3:5432  weight 50    up      HTTP 200 from /primary [primary, timeline 4]");
  expect(text).not.toContain("NOT IN SYNC");
});

test("status tells everything of an instance: trackers' part, peers, devices, alarms, what goes with the addresses", () => {
  const [instance] = status.vrrp.instances;
  const [vip] = instance?.addresses ?? [];
  if (instance === undefined || vip === undefined) throw new Error("the sample has an instance with an address");
  const text = formatStatus({
    ...status,
    vrrp: {
      ...status.vrrp,
      realtime: false,
      timerLateness: { boundsUs: [], counts: [], maxUs: 12_345, sumUs: 12_345 },
      groups: [{ name: "G", state: "FAULT", members: ["PGRW", "PGRO"] }],
      statics: [{ text: "192.0.2.1/32 dev eth0", present: true }],
      instances: [
        {
          ...instance,
          ...{ version: 3, state: "FAULT", priorityEffective: 120, group: "G", sourceAddress: undefined },
          last: {
            ...{ from: "MASTER", to: "FAULT", reason: "trackedScriptFailed", atMs: 0 },
            evidence: { ownPriority: 120, detail: "check" },
          },
          faults: [{ kind: "script", name: "check" }],
          transport: { kind: "unicast", peers: [ip("10.0.2.2"), ip("10.0.2.3")] },
          peers: [
            {
              ...{ address: ip("10.0.2.2"), configured: true, priority: 90, claimsMaster: true, silentSec: 0.34 },
              ...{ advertInterval: durationUs(1_000_000), checksumForm: "withPseudoHeader" },
            },
            {
              ...{ address: ip("10.0.2.3"), configured: true, priority: undefined, claimsMaster: false, silentSec: 61 },
              ...{ advertInterval: undefined, checksumForm: undefined },
            },
          ],
          virtualMac: { device: "vrrp.1", present: false, hardwareAddress: "00:00:5e:00:01:01" },
          addresses: [{ ...vip, advertised: false, held: false }],
          leaseLifetimeSec: undefined,
          routes: [{ text: "192.0.2.0/24 via 10.0.2.254", present: false }],
          rules: [{ text: "from 192.0.2.0/24 lookup 7", present: true }],
          alarms: [{ kind: "ownSourceHeard", source: ip("10.0.2.1"), hardwareAddress: "02:00:00:00:00:01" }],
          discarded: { authMismatch: 4 },
        },
      ],
    },
  });
  for (const words of [
    "VRRP  (NO REAL-TIME PRIORITY, timers at most 12.3 ms late)",
    "PGRW  FAULT  priority 120 (configured 150), VRID 1 on eth0: trackedScriptFailed (check) at 1970",
    "in FAULT by the script check",
    "ALARM PGRW: somebody else sends adverts with our source address 10.0.2.1 (from 02:00:00:00:00:01)",
    "version 3 over IPv4 to 2 unicast peers, NO SOURCE ADDRESS, addresses STAY without adverts (vip_lease off), in sync group G",
    "peer 10.0.2.2: priority 90, claims to be master, heard 0.3 s ago, checksum withPseudoHeader",
    "peer 10.0.2.3: never heard, for 61 s",
    "virtual MAC 00:00:5e:00:01:01 on vrrp.1: DEVICE MISSING",
    "label eth0:1: not held, not advertised",
    "route 192.0.2.0/24 via 10.0.2.254: absent",
    "rule from 192.0.2.0/24 lookup 7: present",
    "adverts discarded: authMismatch 4",
    "sync group G  FAULT  of PGRW, PGRO",
    "static 192.0.2.1/32 dev eth0: present",
  ]) {
    expect(text).toContain(words);
  }
});

test("status shows trouble in capitals", () => {
  const [first] = status.services;
  if (first === undefined) throw new Error("the sample has a service");
  const text = formatStatus({
    ...status,
    configuration: { ...status.configuration, lastError: "line 3: unknown keyword" },
    services: [{ ...first, holder: undefined, conflict: true, hunting: true, inSync: false, drifts: 2 }],
  });
  expect(text).toContain("LAST RELOAD REFUSED: line 3: unknown keyword");
  expect(text).toContain("exclusive, NO HOLDER; hunting; CONFLICTING CLAIMS");
  expect(text).toContain("NOT IN SYNC WITH THE KERNEL; drift repaired 2 times");
});

test("status tells of everything tracked: what it says, since when, why, and when it is looked at again", () => {
  const text = formatStatus({
    ...status,
    trackers: [
      {
        ...{ kind: "script", name: "check", value: 0, sinceMs: 2_000, command: ["/bin/check"], runs: 9, failures: 4 },
        last: { atMs: 2_500, tookMs: 12.3, outcome: "exit status 1", output: "first\nno leader" },
        ...{ against: 1, running: false, nextRunInMs: 740 },
      },
      { kind: "file", name: "drain", value: 0, sinceMs: 0, path: "/run/drain", problem: "there is no such file" },
      {
        ...{ kind: "process", name: "proxy", value: 1, sinceMs: 0, count: 2, quorum: 1, quorumMax: 4 },
        ...{ mode: "polling", whyPolling: "refused here" },
      },
    ],
  });
  expect(text).toContain(
    'script check  DOWN since 1970-01-01 00:00:02.000, 1 in a row against it; last exit status 1 in 12 ms ("no leader"); next in 0.7 s',
  );
  expect(text).toContain("file drain  0 since 1970-01-01 00:00:00.000  /run/drain; PROBLEM: there is no such file");
  expect(text).toContain("2 running, 1 to 4 wanted; looked at every second: refused here");
  expect(formatStatus(status)).not.toContain("Tracked");
});

test("status tells what became of notifications", () => {
  const queue = { started: 3, failed: 1, dropped: 0, running: 1, waiting: 2 };
  const text = formatStatus({
    ...status,
    notifications: {
      scripts: [
        {
          ...{ subject: "INSTANCE", name: "PGRW", ...queue },
          last: { name: "notify_master of PGRW", atMs: 0, tookMs: 3, outcome: "exit status 3" },
        },
      ],
      fifos: [
        {
          ...{ path: "/run/f", written: 7, waiting: 0, dropped: 5, problem: "full: nobody reads it", events: ["vrrp"] },
          script: { running: false, restarts: 2, lastOutcome: "exit status 1" },
        },
      ],
      mail: { sent: 0, failed: 1, dropped: 0, waiting: 0, lastFailure: { atMs: 0, subject: "x", detail: "refused" } },
    },
  });
  expect(text).toContain(
    "scripts of PGRW: started 3, failed 1, running 1, waiting 2; last notify_master of PGRW: exit status 3",
  );
  expect(text).toContain(
    "fifo /run/f: written 7, dropped 5; its script DOES NOT RUN, started again 2 times, last exit status 1; PROBLEM: full",
  );
  expect(text).toContain("mail: sent 0, failed 1; last failure 1970-01-01 00:00:00.000: refused");
  expect(formatStatus(status)).not.toContain("Notifications");
});

test("status tells whose cluster a service follows, and that the next list is to decide it", () => {
  const text = formatStatus(FULL_STATUS);
  expect(text).toContain(
    "members of article: 3 known, told by 10.0.2.3:8008 4 s ago; THE NEXT LIST DECIDES WHOSE CLUSTER IT IS; LAST ANSWER NOT TAKEN: timedOut: no answer",
  );
  expect(text).toContain("10.0.2.9:8008 IS NOT BELIEVED: it tells of the cluster other, not of article");
  const [service] = FULL_STATUS.services;
  if (service?.members === undefined) throw new Error("the sample has a service that follows a cluster");
  const services = [{ ...service, members: { ...service.members, learnsAnew: false } }];
  expect(formatStatus({ ...FULL_STATUS, services })).not.toContain("THE NEXT LIST");
});
