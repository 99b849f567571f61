import { once } from "node:events";
import { MessageChannel } from "node:worker_threads";
import { expect, it } from "vitest";
import { ip } from "../../src/core/ip.ts";
import { instantUs, seconds } from "../../src/core/units.ts";
import { initialState } from "../../src/vrrp/step.ts";
import { initialGroupState } from "../../src/vrrp/syncGroup.ts";
import type { Lease } from "../../src/workers/vrrp/leases.ts";
import { routerParameters } from "../../src/workers/vrrp/parameters.ts";
import type { FromWorker, InstanceStatus, ToWorker, WorkerStart } from "../../src/workers/vrrp/protocol.ts";
import type { Surrender } from "../../src/workers/vrrp/surrender.ts";
import { instanceConfig, vrrpConfig } from "../lab/vrrpConfig.ts";

/** One sample of every kind: a new kind without a sample does not compile. */
type Samples<Message extends { readonly kind: string }> = {
  readonly [Kind in Message["kind"]]: Extract<Message, { readonly kind: Kind }>;
};

const postedUs = instantUs(1);
const start: WorkerStart = {
  vrrp: vrrpConfig([instanceConfig({ strict: true, priority: 150 })]),
  realtimePriority: 50,
  resign: ["RW"],
  guard: 17,
  standby: true,
  borrowed: [{ name: "ipv4/conf/eth0/arp_ignore", before: "0", value: "1" }],
  turns: new SharedArrayBuffer(4),
};
const transition = {
  from: "BACKUP",
  to: "MASTER",
  reason: "masterDown",
  evidence: { peer: ip("10.0.2.2"), peerPriority: 100, ownPriority: 150, latenessUs: 12 },
} as const;
const instanceStatus: InstanceStatus = {
  name: "RW",
  interface: "eth0",
  version: 3,
  family: 4,
  virtualRouterId: 1,
  state: "MASTER",
  priority: 150,
  priorityEffective: 140,
  faults: [{ kind: "script", name: "chk" }],
  group: "G",
  last: { ...transition, atMs: 1 },
  master: undefined,
  transport: { kind: "unicast", peers: [ip("10.0.2.2")] },
  sourceAddress: ip("10.0.2.1"),
  peers: [
    {
      address: ip("10.0.2.2"),
      configured: true,
      priority: 100,
      claimsMaster: false,
      advertInterval: seconds(1),
      checksumForm: "withPseudoHeader",
      silentSec: 2.5,
    },
  ],
  virtualMac: { device: "vrrp.1", present: true, hardwareAddress: "00:00:5e:00:01:01" },
  leaseLifetimeSec: 2,
  addresses: [
    {
      address: ip("10.0.2.10"),
      device: "eth0",
      label: undefined,
      prefixConfigured: 24,
      prefixProgrammed: 32,
      advertised: true,
      held: true,
      permanent: false,
    },
  ],
  routes: [{ text: "10.9.0.0/16 via 10.0.2.254 dev eth0", present: true }],
  rules: [{ text: "from 10.9.0.0/16 table 5", present: false }],
  alarms: [{ kind: "foreignArpAnswer", address: ip("10.0.2.10"), hardwareAddress: "02:00:00:00:00:09" }],
  advertsSent: 1,
  advertsReceived: 2,
  discarded: { ttlNot255: 1 },
};

const parameters = routerParameters(instanceConfig({}), false);
const link = {
  present: true,
  up: true,
  primaryAddress: ip("10.0.2.1"),
  sourceAddressMissing: false,
  noUnicastPeer: false,
};
const lease: Lease = {
  address: ip("10.0.2.10"),
  device: "eth0",
  linkIndex: 2,
  prefixLength: 32,
  label: undefined,
  scope: "global",
  broadcast: undefined,
  peer: undefined,
  options: {
    home: false,
    manageTemporaryAddresses: false,
    noPrefixRoute: false,
    autojoin: false,
    preferredLifetime: "lease",
  },
};
const surrender: Surrender = {
  instances: [
    {
      state: initialState(parameters, link, { priority: 150, faults: [] }),
      advertSentAt: instantUs(5),
      last: { ...transition, atMs: 1 },
      held: [{ lease, validSec: 2, refreshedAt: instantUs(4) }],
    },
  ],
  groups: [initialGroupState("G", ["RW"])],
  settings: [{ name: "ipv4/conf/eth0/arp_ignore", before: "0", value: "1" }],
};

const toWorker: Samples<ToWorker> = {
  configure: { kind: "configure", postedUs, vrrp: start.vrrp },
  releaseElection: { kind: "releaseElection", postedUs },
  status: { kind: "status", postedUs },
  pulse: { kind: "pulse", postedUs },
  track: { kind: "track", postedUs, results: [{ kind: "file", name: "f", value: -3 }] },
  record: { kind: "record", postedUs, id: 2 },
  guard: { kind: "guard", postedUs, descriptor: 18 },
  surrender: { kind: "surrender", postedUs },
  adopt: { kind: "adopt", postedUs, surrender, guard: 19 },
  stop: { kind: "stop", postedUs },
};

const fromWorker: Samples<FromWorker> = {
  ready: { kind: "ready", postedUs },
  startFailed: { kind: "startFailed", postedUs, code: "missingCapability", message: "m", remedy: undefined },
  configured: { kind: "configured", postedUs },
  borrowed: { kind: "borrowed", postedUs, settings: start.borrowed },
  pulse: { kind: "pulse", postedUs },
  transition: { kind: "transition", postedUs, instance: "RW", transition },
  groupTransition: {
    kind: "groupTransition",
    postedUs,
    group: "G",
    from: "BACKUP",
    to: "MASTER",
    reason: "masterDown",
  },
  lowerPriorityHeard: { kind: "lowerPriorityHeard", postedUs, instance: "RW", peer: ip("10.0.2.2"), priority: 50 },
  priorityChanged: { kind: "priorityChanged", postedUs, instance: "RW", priority: 90, state: "BACKUP" },
  deleted: { kind: "deleted", postedUs, instance: "RW" },
  alarm: { kind: "alarm", postedUs, instance: "RW", alarm: { kind: "netlinkOverrun" } },
  status: {
    kind: "status",
    postedUs,
    status: {
      instances: [instanceStatus],
      groups: [{ name: "G", state: "MASTER", members: ["RW"] }],
      statics: [{ text: "10.0.2.9/32 dev eth0", present: true }],
      trackers: [{ kind: "script", name: "chk", value: undefined }],
      announcementsWaiting: 3,
      will: { attached: true, armed: true, limitMs: 2_000 },
      discarded: { badChecksum: 1 },
      timerLateness: { boundsUs: [100], counts: [1, 0], maxUs: 12, sumUs: 12 },
      realtime: true,
    },
  },
  recording: {
    kind: "recording",
    postedUs,
    id: 2,
    part: {
      format: "holdfast-recording-2",
      begin: { instances: [], groups: [] },
      entries: [{ kind: "input", atUs: postedUs, instance: "RW", input: { kind: "deadline" } }],
    },
    last: true,
  },
  log: { kind: "log", postedUs, level: "warn", fields: { a: 1 }, message: "m" },
  surrendered: { kind: "surrendered", postedUs, surrender },
  adopted: { kind: "adopted", postedUs },
  stopped: { kind: "stopped", postedUs },
};

it.each([["start", start], ...Object.entries(toWorker), ...Object.entries(fromWorker)])(
  "a %s message crosses between threads whole",
  async (_, message) => {
    const { port1, port2 } = new MessageChannel();
    try {
      port1.postMessage(message);
      const [received] = (await once(port2, "message")) as [unknown];
      expect(received).toEqual(message);
    } finally {
      port1.close();
    }
  },
);
