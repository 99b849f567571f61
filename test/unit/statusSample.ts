import { ip } from "../../src/core/ip.ts";
import { durationUs } from "../../src/core/units.ts";
import type { DaemonStatus } from "../../src/daemon/control.types.ts";
import type { InstanceStatus, VipStatus } from "../../src/workers/vrrp/protocol.ts";

const VIP: VipStatus = {
  address: ip("10.0.2.10"),
  device: "eth0",
  label: undefined,
  prefixConfigured: 24,
  prefixProgrammed: 32,
  advertised: true,
  held: true,
  permanent: false,
};

const INSTANCE: InstanceStatus = {
  name: "PGRW",
  interface: "eth0",
  version: 2,
  family: 4,
  virtualRouterId: 1,
  state: "MASTER",
  priority: 150,
  priorityEffective: 120,
  faults: [{ kind: "script", name: "check" }],
  group: "G",
  last: { from: "BACKUP", to: "MASTER", reason: "masterDown", evidence: { ownPriority: 150 }, atMs: 1_000 },
  master: undefined,
  transport: { kind: "multicast", group: ip("224.0.0.18") },
  sourceAddress: ip("10.0.2.1"),
  peers: [
    {
      ...{ address: ip("10.0.2.2"), configured: false, priority: 90, claimsMaster: true, silentSec: 0.5 },
      ...{ advertInterval: undefined, checksumForm: undefined },
    },
  ],
  virtualMac: undefined,
  leaseLifetimeSec: 2,
  addresses: [VIP, { ...VIP, address: ip("10.0.2.11"), held: false }],
  routes: [
    { text: "192.0.2.0/24 via 10.0.2.254", present: true },
    { text: "198.51.100.0/24 via 10.0.2.254", present: false },
  ],
  rules: [{ text: "from 192.0.2.0/24 lookup 7", present: true }],
  alarms: [{ kind: "netlinkOverrun" }, { kind: "netlinkOverrun" }],
  advertsSent: 3,
  advertsReceived: 4,
  discarded: { authMismatch: 4 },
};

/** Something of everything that a status can have. */
export const FULL_STATUS: DaemonStatus = {
  version: "0.1.0",
  processId: 42,
  startedAtMs: 0,
  configuration: { file: "/etc/keepalived/keepalived.conf", loadedAtMs: 0, lastError: undefined },
  vrrp: {
    instances: [INSTANCE],
    groups: [{ name: "G", state: "FAULT", members: ["PGRW"] }],
    statics: [{ text: "192.0.2.1/32 dev eth0", present: true }],
    trackers: [],
    discarded: { badChecksum: 2 },
    announcementsWaiting: 0,
    will: { attached: true, armed: true, limitMs: 400 },
    timerLateness: { boundsUs: [100, 200], counts: [5, 1, 1], maxUs: 900, sumUs: 1_700 },
    realtime: true,
  },
  guard: { processId: 43, lockedInMemory: true },
  services: [
    {
      ...{ service: "TCP 10.0.2.10:5432", exclusive: true, holder: "10.0.2.3:5432", hunting: false, conflict: false },
      ...{ quorum: "up", sorryServer: undefined, fallback: false, roleLoss: { policy: "cut" } },
      members: {
        ...{ known: 3, scope: "article", source: "10.0.2.3:8008", age: durationUs(4_000_000) },
        ...{ learnsAnew: true, problem: "timedOut: no answer" },
        wrongSources: [{ source: "10.0.2.9:8008", problem: "it tells of the cluster other, not of article" }],
      },
      servers: [
        {
          override: { weight: 50, target: "10.0.2.3 everywhere", endsIn: undefined },
          loss: { phase: "lingers", connections: 7, age: durationUs(3_000_000) },
          ...{ server: "10.0.2.3:5432", verdict: "up", reason: "HTTP 200", role: "primary", timeline: 4, weight: 50 },
          lagBytes: undefined,
          lastResultAge: durationUs(200_000),
        },
        {
          ...{ server: "10.0.2.4:5432", verdict: "unknown", reason: "not checked yet", role: undefined, weight: 0 },
          ...{ timeline: undefined, lagBytes: 16_384, lastResultAge: undefined, override: undefined, loss: undefined },
        },
      ],
      ...{ scheduler: "lc", persistenceConfiguredSec: 1, persistenceProgrammedSec: 0, drifts: 0, inSync: true },
    },
  ],
  operator: {
    overrides: [
      {
        target: "10.0.2.3 everywhere",
        weight: 50,
        endsAtMs: 9_000,
        keep: true,
        servers: ["TCP 10.0.2.10:5432 10.0.2.3:5432"],
      },
    ],
    repairPausedUntilMs: 8_000,
  },
  lvs: {
    timeoutsSec: { tcp: 7260, tcpfin: 120, udp: 300 },
    syncDaemons: [{ role: "master", interface: "eth1", syncId: 51, group: ip("224.0.0.81"), port: 8848, ttl: 1 }],
    syncFollows: "PGRW",
    settings: [
      { name: "timeout tcp", before: "900", value: "7260" },
      { name: "ipv4/vs/sloppy_tcp", before: "0", value: "1" },
    ],
    problems: ["IPVS, timeout udp: refused"],
  },
  trackers: [
    {
      ...{ kind: "script", name: "check", value: 0, sinceMs: 2_000, command: ["/bin/check"], runs: 9, failures: 4 },
      last: { atMs: 2_500, tookMs: 12.5, outcome: "exit status 1", output: "no leader" },
      ...{ against: 1, running: false, nextRunInMs: 740 },
    },
  ],
  notifications: {
    scripts: [
      {
        ...{ subject: "INSTANCE", name: "PGRW", started: 3, failed: 1, dropped: 0, running: 1, waiting: 2 },
        last: undefined,
      },
    ],
    fifos: [
      { path: "/run/f", written: 7, waiting: 0, dropped: 5, problem: undefined, events: ["vrrp"], script: undefined },
    ],
    mail: { sent: 2, failed: 1, dropped: 0, waiting: 0, lastFailure: undefined },
  },
  kickDoor: {
    ...{ address: ip("10.0.2.1"), port: 8009, listening: false, problem: "cannot listen: EADDRNOTAVAIL" },
    requests: [{ labels: { result: "kicked" }, count: 6 }],
  },
  counts: {
    events: [{ labels: { kind: "transition" }, count: 3 }],
    transitions: [{ labels: { instance: "PGRW", to: "MASTER", reason: "masterDown" }, count: 2 }],
    groupTransitions: [{ labels: { group: "G", to: "FAULT", reason: "groupFault" }, count: 1 }],
  },
  usage: { cpuUs: 1_500_000, residentBytes: 80_000_000 },
  events: [],
};
