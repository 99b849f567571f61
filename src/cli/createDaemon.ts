import { randomInt } from "node:crypto";
import type { Config } from "../config/types.ts";
import { BorrowedSettings } from "../core/borrowedSettings.ts";
import { HoldfastError } from "../core/errors.ts";
import type { Logger } from "../core/interfaces.ts";
import type { Ip } from "../core/ip.ts";
import type { ScriptRunner } from "../core/scripts.ts";
import { milliseconds } from "../core/units.ts";
import type { ControlAnswer, KickRequest, OverrideRequest } from "../daemon/control.types.ts";
import { Daemon } from "../daemon/daemon.ts";
import { discovering } from "../daemon/discoveringHealth.ts";
import { EventLog } from "../daemon/events.ts";
import { giveOver, type HandoverResult } from "../daemon/handover/giver.ts";
import type { FromPredecessor, FromSuccessor } from "../daemon/handover/protocol.ts";
import { createHealthDriver, type HealthDriver, type HealthListener } from "../daemon/healthDriver.ts";
import { HostSide } from "../daemon/hostSide.ts";
import { KickDoor } from "../daemon/kickDoor.ts";
import { AddressFollower } from "../daemon/lvs/addressFollower.ts";
import { LvsSide } from "../daemon/lvs/lvsSide.ts";
import { MemberMemory } from "../daemon/memberMemory.ts";
import { Notifier } from "../daemon/notify/notifier.ts";
import type { OperatorResult } from "../daemon/operator.ts";
import { playBetweenTimes, rehearsal } from "../daemon/rehearsal.ts";
import { TableOwner } from "../daemon/tableOwner.ts";
import { Trackers } from "../daemon/track/trackers.ts";
import { healthMachine } from "../health/machine.ts";
import type { RememberedMembers } from "../health/types.ts";
import { isNativeError, loadAddon } from "../io/addon.ts";
import type { NativeAddon } from "../io/addon.types.ts";
import { createCheckers } from "../io/checkers/index.ts";
import { loopTimers, monotonicClock } from "../io/clock.ts";
import { createClusterReader } from "../io/clusterReader.ts";
import { type Heritage, startSuccessor } from "../io/handoverProcess.ts";
import { takeNetworkNamespace } from "../io/hostChecks.ts";
import { hostName } from "../io/hostName.ts";
import { readHostFacts } from "../io/hostNetwork.ts";
import { openIpvsTable } from "../io/ipvsTable.ts";
import { serveKicks } from "../io/kickServer.ts";
import { lvsHost } from "../io/lvsHost.ts";
import { here, inNetworkNamespace, type Within } from "../io/networkNamespace.ts";
import { openNotifyFifo } from "../io/notify/fifo.ts";
import { smtpSender } from "../io/notify/mail.ts";
import { RunDirectory } from "../io/runDirectory.ts";
import { HostScripts } from "../io/scripts/runner.ts";
import { sdNotify } from "../io/sdNotify.ts";
import { hostFiles } from "../io/track/fileWatch.ts";
import { HostProcesses } from "../io/track/hostProcesses.ts";
import { readVersion } from "../io/version.ts";
import { VrrpWorkerHandle } from "../workers/vrrp/handle.ts";
import type { GuardStatus } from "../workers/vrrp/handle.types.ts";
import type { TrackResult } from "../workers/vrrp/protocol.ts";
import { Listening } from "./listening.ts";
import { loadConfiguration, logWarnings } from "./loadConfiguration.ts";
import { metricsText } from "./metricsText.ts";

/** Drift of the kernel's table is found and repaired within this and one dump, in a large table later (`TableOwner`); the promise is 5 s. */
const REPAIR_INTERVAL = milliseconds(2_000);
/** Between two steps of the rehearsal the loop looks for what really happens. */
const REHEARSAL_PAUSE_MS = 2;

/** What a successor has of its predecessor. */
export interface Inherited {
  readonly heritage: Heritage;
  readonly guard: GuardStatus;
}

export interface WiredDaemon {
  readonly daemon: Daemon;
  /** Control socket, metrics, watchdog: what only one process can have. */
  readonly listen: () => Promise<void>;
  readonly close: () => Promise<void>;
}

/**
 * Wires a daemon to this host. Throws HoldfastError for what the host lacks; what was opened until then is closed by
 * the process's end, and nothing was written.
 */
export async function createDaemon(start: {
  readonly options: {
    readonly runDir: string;
    readonly realtimePriority: number;
    readonly metricsListen?: string;
    readonly configId?: string;
  };
  readonly file: string;
  readonly config: Config;
  readonly logger: Logger;
  readonly inherited?: Inherited;
}): Promise<WiredDaemon> {
  const { options, file, config, logger, inherited } = start;
  const addon = loadAddon();
  const heritage = inherited?.heritage;
  const runDirectory =
    heritage === undefined
      ? RunDirectory.open(options.runDir, addon)
      : RunDirectory.inherit(options.runDir, heritage.lock);
  const namespace = heritage === undefined ? takeNetworkNamespace(addon) : addon.adoptSocket(heritage.namespace);
  const wallMs = (): number => Date.now();
  const events = new EventLog({ logger, wallMs });
  const { namespace: ipvsNamespace } = config.lvs;
  const within = ipvsNamespace === undefined ? here : inNetworkNamespace(ipvsNamespace);
  const table = new TableOwner(
    { repairInterval: REPAIR_INTERVAL },
    {
      open: () => within(() => openIpvsTable()),
      store: runDirectory,
      events,
      clock: monotonicClock,
      timers: loopTimers,
    },
  );
  const lvs = createLvsSide(within, runDirectory, events);
  const scripts = new HostScripts(config.global, { logger });
  let vrrp: VrrpWorkerHandle | undefined;
  const kickDoor = new KickDoor({
    open: serveKicks,
    kick: (services, source) => daemon.operator.kick({ services }, source),
    ...{ events, clock: monotonicClock, timers: loopTimers },
  });
  const daemon: Daemon = new Daemon(
    { version: readVersion(), configFile: file, config },
    {
      events,
      table,
      store: runDirectory,
      lvs,
      followAddresses: (tell) =>
        new AddressFollower({ readAddresses, tell, events, clock: monotonicClock, timers: loopTimers }),
      wallMs,
      clock: monotonicClock,
      createVrrp: (listener) => {
        const priority = config.global.vrrpRealtimePriority ?? options.realtimePriority;
        const realtimePriority = priority === 0 ? undefined : priority;
        const inheritedGuard = inherited && { ...inherited.guard, descriptor: inherited.heritage.guard };
        const guarding = { guardDirectory: runDirectory.path, ...(inheritedGuard && { inheritedGuard }) };
        const modules = { logger, listener, settings: runDirectory.interfaceSettings };
        vrrp = new VrrpWorkerHandle({ realtimePriority, ...guarding }, modules);
        return vrrp;
      },
      createHealth: (listener) =>
        createHealth({ addon, scripts, listener: rehearsing(listener, config, logger), runDirectory, events }),
      createHostSide: (onResults) => createHostSide({ scripts, events, addon, kickDoor, onResults }),
      notify: (state) => void sdNotify(state),
      load: () => {
        const loaded = loadConfiguration(file, options.configId);
        if (!loaded.ok) return { ok: false, message: loaded.report.trim() };
        if (loaded.config.lvs.namespace !== ipvsNamespace)
          return { ok: false, message: "net_namespace_ipvs is taken at the start: restart holdfast to change it" };
        logWarnings(loaded.warnings, logger);
        return { ok: true, config: loaded.config };
      },
    },
  );
  const heritageNow = (guard: number): Heritage => ({
    lock: runDirectory.lockDescriptor,
    namespace: namespace.descriptor(),
    guard,
  });
  const listening = new Listening({
    options,
    path: runDirectory.path,
    daemon,
    events,
    kickDoor,
    pulse: async () => await vrrp?.pulse(),
  });
  const handOver = once(async (program) => {
    const result = await giveOver(program, {
      daemon,
      guard: () => vrrp?.heritage(),
      startSuccessor: (file, guard) => startSuccessor<FromPredecessor, FromSuccessor>(file, heritageNow(guard)),
      stopListening: () => listening.end(),
      notify: (state) => void sdNotify(state),
    });
    // Behind the answer to whoever asked.
    if (result.ok) setImmediate(() => void daemon.leave());
    else if (result.surrendered) setImmediate(() => void daemon.leave(result.message));
    return result;
  });
  const listen = async (): Promise<void> => {
    runDirectory.sign();
    await listening.begin((request) => answer(daemon, handOver, request));
  };
  const close = async (): Promise<void> => {
    await listening.close();
    namespace.close();
    runDirectory.close();
  };
  return { daemon, listen, close };
}

type HandOver = (program: string | undefined) => Promise<HandoverResult>;

/** A second one would start another successor beside the first. */
function once(handOver: HandOver): HandOver {
  let running = false;
  return async (program) => {
    if (running) return { ok: false, surrendered: false, message: "a handover is under way" };
    running = true;
    try {
      return await handOver(program);
    } finally {
      running = false;
    }
  };
}

/** As soon as the first programming is done, the first switch is played before it comes. */
function rehearsing(listener: HealthListener, { virtualServers }: Config, logger: Logger): HealthListener {
  const soon = (call: () => void): unknown => setTimeout(call, REHEARSAL_PAUSE_MS).unref();
  return {
    ...listener,
    onFirstVerdicts: () => {
      listener.onFirstVerdicts();
      playBetweenTimes(rehearsal(healthMachine, virtualServers), soon, (error) =>
        logger.warn({ err: error }, "the rehearsal of a switch failed: the first switch may be slower"),
      );
    },
  };
}

function createHealth(parts: {
  readonly addon: NativeAddon;
  readonly scripts: ScriptRunner;
  readonly listener: HealthListener;
  readonly runDirectory: RunDirectory;
  readonly events: EventLog;
}): HealthDriver {
  const { addon, scripts, listener, runDirectory, events } = parts;
  const probes = createCheckers({ addon: () => addon, scripts });
  const memory = new MemberMemory({ store: runDirectory, events });
  const common = { clock: monotonicClock, timers: loopTimers };
  const remember = (members: RememberedMembers): void => memory.write(members);
  const modules = { machine: healthMachine, probes, listener, remember, ...common };
  const driver = createHealthDriver({ seed: randomInt(2 ** 31) }, modules);
  const { ask } = createClusterReader(() => addon);
  return discovering(driver, { ask, remembered: () => memory.read(), ...common });
}

function createLvsSide(within: Within, runDirectory: RunDirectory, events: EventLog): LvsSide {
  const { open, access } = lvsHost(within);
  const settings = new BorrowedSettings(access, runDirectory.ipvsSettings);
  return new LvsSide({ open, settings, store: runDirectory, events, clock: monotonicClock, timers: loopTimers });
}

/** Every address of the host, whoever has set it. Throws HoldfastError, also where there is no descriptor left for the question. */
function readAddresses(): readonly Ip[] {
  try {
    return readHostFacts().interfaces.flatMap(({ addresses }) => addresses.map(({ ip }) => ip));
  } catch (error) {
    if (!isNativeError(error)) throw error;
    throw new HoldfastError("addressesUnreadable", error.message, undefined, { cause: error });
  }
}

/** Scripts, trackers and notifications on this host. */
function createHostSide(parts: {
  readonly scripts: HostScripts;
  readonly events: EventLog;
  readonly addon: NativeAddon;
  readonly kickDoor: KickDoor;
  readonly onResults: (results: readonly TrackResult[]) => void;
}): HostSide {
  const { scripts: runner, events, addon, kickDoor, onResults } = parts;
  const common = { runner, clock: monotonicClock, timers: loopTimers, wallMs: (): number => Date.now(), events };
  const trackers = new Trackers({ ...common, files: hostFiles, processes: new HostProcesses(addon), onResults });
  const notifier = new Notifier({
    ...common,
    sender: smtpSender,
    hostName,
    // Who reads it without being named is the script user: only the owner may.
    openFifo: (spec, told) => openNotifyFifo(spec, told, { addon, owner: runner.identityOf(spec.user, spec.group) }),
  });
  const setScriptPolicy = (global: Config["global"]): void => runner.setPolicy(global);
  return new HostSide({ ...common, setScriptPolicy, trackers, notifier, kickDoor });
}

async function answer(daemon: Daemon, handOver: HandOver, request: unknown): Promise<ControlAnswer> {
  const command = typeof request === "object" && request !== null && "command" in request ? request.command : undefined;
  switch (command) {
    case "status":
      return { ok: true, status: await daemon.status() };
    case "record":
      return { ok: true, recording: await daemon.record() };
    case "metrics":
      return { ok: true, metrics: await metricsText(await daemon.status()) };
    case "reload": {
      const result = await daemon.reload();
      return result.ok ? { ok: true, reloaded: true } : { ok: false, error: result.message };
    }
    case "handover": {
      const { program } = request as { readonly program?: unknown };
      const result = await handOver(typeof program === "string" ? program : undefined);
      return result.ok ? { ok: true, successor: result.processId } : { ok: false, error: result.message };
    }
    case "override":
      return operatorAnswer(daemon.operator.override(request as OverrideRequest));
    case "enable":
      return operatorAnswer(daemon.operator.enable(request as OverrideRequest));
    case "kick":
      return operatorAnswer(daemon.operator.kick(request as KickRequest, "the control socket"));
    case "forget":
      return operatorAnswer(daemon.operator.forget((request as { readonly services?: unknown }).services));
    case "pauseRepair":
      return operatorAnswer(daemon.operator.pauseRepair((request as { readonly seconds?: unknown }).seconds));
    default: {
      const known = "status, reload, record, metrics, handover, override, enable, kick, forget, pauseRepair";
      return { ok: false, error: `unknown command ${JSON.stringify(command)}; known: ${known}` };
    }
  }
}

const operatorAnswer = (result: OperatorResult): ControlAnswer =>
  result.ok ? { ok: true, lines: result.lines } : { ok: false, error: result.error };
