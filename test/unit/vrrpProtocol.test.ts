import { once } from "node:events";
import { MessageChannel } from "node:worker_threads";
import { expect, it } from "vitest";
import { ip } from "../../src/core/ip.ts";
import { instantUs } from "../../src/core/units.ts";
import type { FromWorker, InstanceStatus, ToWorker, WorkerStart } from "../../src/workers/vrrp/protocol.ts";
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
  virtualRouterId: 1,
  state: "MASTER",
  priority: 150,
  last: { ...transition, atMs: 1 },
  master: undefined,
  addresses: [
    {
      address: ip("10.0.2.10"),
      device: "eth0",
      label: undefined,
      prefixConfigured: 24,
      prefixProgrammed: 32,
      held: true,
      permanent: false,
    },
  ],
  advertsSent: 1,
  advertsReceived: 2,
};

const toWorker: Samples<ToWorker> = {
  configure: { kind: "configure", postedUs, vrrp: start.vrrp },
  releaseElection: { kind: "releaseElection", postedUs },
  status: { kind: "status", postedUs, id: 1 },
  stop: { kind: "stop", postedUs },
};

const fromWorker: Samples<FromWorker> = {
  ready: { kind: "ready", postedUs },
  startFailed: { kind: "startFailed", postedUs, code: "missingCapability", message: "m", remedy: undefined },
  configured: { kind: "configured", postedUs },
  transition: { kind: "transition", postedUs, instance: "RW", transition },
  alarm: { kind: "alarm", postedUs, instance: "RW", alarm: { kind: "netlinkOverrun" } },
  status: {
    kind: "status",
    postedUs,
    id: 1,
    status: {
      instances: [instanceStatus],
      discarded: { badChecksum: 1 },
      timerLateness: { boundsUs: [100, Number.POSITIVE_INFINITY], counts: [1, 0], maxUs: 12 },
      realtime: true,
    },
  },
  log: { kind: "log", postedUs, level: "warn", fields: { a: 1 }, message: "m" },
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
