import type { Config } from "../../src/config/index.ts";
import type { Logger } from "../../src/core/interfaces.ts";
import type { Ip } from "../../src/core/ip.ts";
import type { ScriptProblem, ScriptRequest } from "../../src/core/scripts.ts";
import { instantUs, milliseconds } from "../../src/core/units.ts";
import { Daemon } from "../../src/daemon/daemon.ts";
import { EventLog } from "../../src/daemon/events.ts";
import type { HealthListener } from "../../src/daemon/healthDriver.ts";
import { HostSide } from "../../src/daemon/hostSide.ts";
import { KickDoor } from "../../src/daemon/kickDoor.ts";
import { AddressFollower } from "../../src/daemon/lvs/addressFollower.ts";
import { Notifier } from "../../src/daemon/notify/notifier.ts";
import { TableOwner } from "../../src/daemon/tableOwner.ts";
import { Trackers } from "../../src/daemon/track/trackers.ts";
import { serviceId } from "../../src/plan/keys.ts";
import type { DesiredService, DestinationId, ServiceId } from "../../src/plan/types.ts";
import type { Recording } from "../../src/vrrp/recorder.ts";
import type { VrrpListener } from "../../src/workers/vrrp/handle.types.ts";
import type { TrackResult } from "../../src/workers/vrrp/protocol.ts";
import { configFrom } from "../lab/configText.ts";
import { FakeLvs } from "../lab/fakeLvs.ts";
import { PLAIN_SERVICE } from "../lab/ipvsDefaults.ts";
import { VirtualTime } from "../lab/virtualTime.ts";
import { instanceConfig, vrrpConfig } from "../lab/vrrpConfig.ts";
import { FakeKernel } from "../sim/fakeKernel.ts";

/** A daemon over halves that say what is asked of them. */

export const silent = (): undefined => undefined;
const logger: Logger = { error: silent, warn: silent, info: silent, debug: silent, child: () => logger };

export function configOf(port: number, checks = "TCP_CHECK {\n    }", top = ""): Config {
  return configFrom(`${top}virtual_server 10.0.2.11 ${port} {
  lvs_method DR
  lb_algo lc
  protocol TCP
  real_server 10.0.2.3 ${port} {
    ${checks}
  }
}`);
}

const command = (program: string) => ({ arguments: [program], user: undefined, group: undefined });

/** With an instance that tells of itself, and scripts around it. */
export function withNotify(config: Config): Config {
  const notify = { ...instanceConfig().notify, master: command("/master"), stop: command("/stop") };
  const timeout = milliseconds(1_000);
  return {
    ...config,
    global: {
      ...config.global,
      startupScript: { command: command("/up"), timeout },
      shutdownScript: { command: command("/down"), timeout },
    },
    vrrp: vrrpConfig([instanceConfig({ notify })]),
  };
}

/** With an instance that tracks a script. */
export function withScript(config: Config): Config {
  const scripts = [{ name: "check", weight: 0, reverse: false }];
  const second = milliseconds(1_000);
  return {
    ...config,
    scripts: [
      ...[{ name: "check", command: command("/check"), interval: second, timeout: second }].map((each) => ({
        ...each,
        ...{ rise: 1, fall: 1, initFail: false },
      })),
    ],
    vrrp: vrrpConfig([instanceConfig({ track: { interfaces: [], scripts, files: [], processes: [] } })]),
  };
}

export function desiredOf(config: Config): DesiredService[] {
  return config.virtualServers.flatMap(({ targets }) =>
    targets.map((key) => ({ ...PLAIN_SERVICE, key, exclusive: false, destinations: [] })),
  );
}

export const SERVICE = "TCP 10.0.2.11:5432";
export const OTHER = "TCP 10.0.2.11:5433";

/** The real trackers and notifications over a runner that runs nothing; everything is done at once. */
function hostSide(parts: {
  readonly events: EventLog;
  readonly onResults: (results: readonly TrackResult[]) => void;
  readonly calls: string[];
  readonly examine: () => ScriptProblem | undefined;
  readonly time: VirtualTime;
  readonly hang: boolean;
}): HostSide {
  const { events, onResults, calls, examine, time, hang } = parts;
  const ended = { outcome: { kind: "exited", status: 0 }, tookMs: 0, output: "" } as const;
  const runner = {
    examine: () => ({ refused: examine(), warning: undefined }),
    run: ({ name, arguments: words }: ScriptRequest) => {
      calls.push(`run ${name}: ${words.join(" ")}`);
      return { done: hang ? new Promise<typeof ended>(silent) : Promise.resolve(ended), kill: silent };
    },
    close: () => Promise.resolve(),
  };
  const common = {
    runner,
    clock: time,
    timers: time,
    wallMs: () => 0,
    events,
  };
  return new HostSide({
    ...common,
    setScriptPolicy: silent,
    kickDoor: new KickDoor({
      ...common,
      open: () => Promise.reject(new Error("not asked here")),
      kick: () => ({ ok: true, lines: [] }),
    }),
    trackers: new Trackers({
      ...common,
      onResults,
      files: { watch: () => silent, read: () => ({ kind: "missing" }), initialize: () => true },
      processes: {
        start: silent,
        processes: () => [],
        mode: () => "polling",
        whyPolling: silent,
        stop: silent,
      },
    }),
    notifier: new Notifier({
      ...common,
      sender: { send: () => Promise.resolve() },
      hostName: () => "host1",
      openFifo: () => {
        throw new Error("not asked here");
      },
    }),
  });
}

export const RECORDING: Recording = {
  format: "holdfast-recording-2",
  begin: { instances: [], groups: [] },
  entries: [],
};

/** A daemon between halves that only write down what they are told, over the fake kernel. */
export function world(
  options: { readonly vrrpStart?: Promise<void>; readonly config?: Config; readonly scriptsHang?: boolean } = {},
) {
  /** What the run directory remembers as ours. */
  let owned: ReadonlySet<ServiceId> = new Set();
  const time = new VirtualTime();
  const tracked: (readonly TrackResult[])[] = [];
  let vrrp: VrrpListener | undefined;
  const calls: string[] = [];
  const kernel = new FakeKernel();
  kernel.afterChange = (cause) => {
    if (cause !== "administrator") calls.push(`${cause.kind} ${serviceId(cause.service)}`);
  };
  let configured: Config["virtualServers"] = [];
  let told: ReadonlyMap<ServiceId, ReadonlyMap<DestinationId, number>> = new Map();
  let health: HealthListener | undefined;
  let loaded: { ok: true; config: Config } | { ok: false; message: string } = { ok: true, config: configOf(5433) };
  let refused: ScriptProblem | undefined;
  let vrrpConfigure: () => Promise<void> = () => Promise.resolve();
  let vrrpSurrender: () => Promise<void> = () => Promise.resolve();
  const called = async (name: string, result: Promise<void> = Promise.resolve()): Promise<void> => {
    calls.push(name);
    await result;
  };
  const events = new EventLog({ logger, wallMs: () => 0 });
  const table = new TableOwner(
    { repairInterval: milliseconds(2_000) },
    {
      open: () => kernel,
      store: {
        readOwnedServices: () => new Set(owned),
        writeOwnedServices: (now) => {
          owned = now;
        },
      },
      events,
      clock: { nowUs: () => instantUs(0) },
      timers: { at: () => silent },
    },
  );
  const lvs = new FakeLvs();
  const hostAddresses: Ip[] = [];
  lvs.onStep = (words) => calls.push(words);
  const daemon = new Daemon(
    { version: "test", configFile: "test.conf", config: options.config ?? configOf(5432) },
    {
      events,
      table,
      store: { readOperatorMemory: silent, writeOperatorMemory: silent },
      lvs: lvs.side({ events, clock: time, timers: time }),
      followAddresses: (tell) =>
        new AddressFollower({ readAddresses: () => hostAddresses, tell, events, clock: time, timers: time }),
      wallMs: () => 1_000,
      clock: time,
      createVrrp: (listener) => {
        vrrp = listener;
        return {
          start: () => called("vrrp start", options.vrrpStart),
          releaseElection: () => void calls.push("vrrp elects"),
          configure: () => called("vrrp configure", vrrpConfigure()),
          track: (results) => void tracked.push(results),
          record: () => Promise.resolve(RECORDING),
          guard: () => undefined,
          status: () => Promise.reject(new Error("not asked here")),
          surrender: async () => {
            await called("vrrp surrender", vrrpSurrender());
            return { instances: [], groups: [], settings: [] };
          },
          adopt: () => called("vrrp adopt"),
          stop: () => called("vrrp stop"),
        };
      },
      createHealth: (listener) => {
        health = listener;
        return {
          configure: (virtualServers, existing) => {
            calls.push("health configure");
            configured = virtualServers;
            told = existing;
          },
          kick: (services) => void calls.push(`kick ${services === undefined ? "all" : [...services].join()}`),
          override: (overrides) => void calls.push(`override ${overrides.length}`),
          addresses: (held) => void calls.push(`addresses ${[...held].join(" ")}`),
          files: (values) => {
            if (values.size > 0) calls.push(`files ${[...values].map((each) => each.join("=")).join()}`);
          },
          desired: () => desiredOf({ ...configOf(5432), virtualServers: configured }),
          view: () => [],
          services: () => configured,
          cluster: silent,
          countsCluster: () => true,
          forgetCluster: silent,
          rememberMembers: silent,
          stop: () => void calls.push("health stop"),
        };
      },
      createHostSide: (onResults) =>
        hostSide({ events, onResults, calls, examine: () => refused, time, hang: options.scriptsHang === true }),
      notify: (state) => void calls.push(state.replace(/\n.*/s, "")),
      load: () => loaded,
    },
  );
  return {
    daemon,
    events,
    kernel,
    lvs,
    hostAddresses,
    time,
    tracked,
    vrrp: () => {
      if (vrrp === undefined) throw new Error("no VRRP half was made");
      return vrrp;
    },
    /** What was called since the last look. */
    taken: () => calls.splice(0),
    listener: () => {
      if (health === undefined) throw new Error("no health half was made");
      return health;
    },
    /** The weights of the kernel's table that the health half was told last. */
    existing: () => told,
    services: () => kernel.dump().map(({ key }) => serviceId(key)),
    owned: () => [...owned],
    refusesScripts: (problem: ScriptProblem | undefined) => {
      refused = problem;
    },
    loads: (next: typeof loaded) => {
      loaded = next;
    },
    vrrpConfigures: (next: typeof vrrpConfigure) => {
      vrrpConfigure = next;
    },
    vrrpSurrenders: (next: typeof vrrpSurrender) => {
      vrrpSurrender = next;
    },
  };
}

export async function started() {
  const it = world();
  await it.daemon.start();
  it.listener().onFirstVerdicts();
  it.taken();
  return it;
}
