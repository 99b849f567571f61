import type { VrrpConfig, VrrpInstanceConfig } from "../../config/vrrp.types.ts";
import type { Clock } from "../../core/interfaces.ts";
import { ip } from "../../core/ip.ts";
import { between, type DurationUs, durationUs, instantUs, milliseconds, seconds, type Us } from "../../core/units.ts";
import { VrrpDriver } from "./driver.ts";
import type { HostInterface } from "./hostView.ts";
import type { ChangeOutcome, GuardHost, GuardLink, VrrpHost } from "./ports.ts";
import type { Rehearsal } from "./rehearsal.types.ts";

/** Plays at the start: compiled at the first, and after a few more V8 knows the shapes of what its functions get. */
const PLAYS_AT_START = 3;
/** What a thread needs to come back to its timer. */
const REST: DurationUs = milliseconds(1);
/** So long after a play the next one would find everything warm. */
const WARM: DurationUs = milliseconds(500);
/** No takeover waits for its guard so often. */
const CONFIRMATIONS_MAX = 1_000;
const DEVICE = "paper";
const STEPS_MAX = 60;

export interface TakeoverRehearsalModules {
  readonly clock: Clock;
  readonly guardHost: GuardHost;
  /** Between two plays everything else that waits has its turn. */
  readonly soon: (play: () => void) => void;
  /** What only warms up must not end what it is for: told once, and nothing is played any more. */
  readonly failed: (error: unknown) => void;
}

/**
 * A takeover comes after days in which none of its code has run, on a host that may have been idle: then JavaScript compiles
 * what it runs for the first time, the processor's caches have forgotten the rest, and its clock is low. The very first
 * advert would pay for all of that. So a takeover is played on paper: by another driver, of this host's own configuration,
 * without a socket and in a time of its own; at the start, and again and again in the last milliseconds before a master is
 * given up.
 */
export class TakeoverRehearsal implements Rehearsal {
  readonly #modules: TakeoverRehearsalModules;
  #config: VrrpConfig | undefined;
  /** Of the last play. */
  #took: DurationUs = durationUs(0);
  #playedAt: Us | undefined;
  /** Until when is being played now. */
  #until: Us | undefined;
  #broken = false;

  constructor(modules: TakeoverRehearsalModules) {
    this.#modules = modules;
  }

  /** What is played from now on. */
  configure(config: VrrpConfig): void {
    this.#config = onPaper(config);
  }

  /** At the start, while nothing waits for this thread. Returns how many takeovers came to pass. */
  begin(): number {
    let passed = 0;
    for (let count = 0; count < PLAYS_AT_START; count++) if (this.#play()) passed += 1;
    this.#playedAt = undefined;
    if (passed === 0 && this.#config !== undefined && !this.#broken) this.#fail(new Error("no MASTER came of it"));
    return passed;
  }

  playUntil(deadline: Us, cold: DurationUs): void {
    if (this.#until !== undefined) return;
    const now = this.#modules.clock.nowUs();
    // After the first of many takeovers the others need none.
    if (this.#playedAt !== undefined && between(this.#playedAt, now) < WARM) return;
    this.#took = cold;
    this.#until = deadline;
    this.#playOn();
  }

  #playOn(): void {
    const { clock, soon } = this.#modules;
    if (this.#until === undefined) return;
    if (this.#broken || this.#config === undefined || clock.nowUs() + this.#took + REST >= this.#until) {
      this.#until = undefined;
      return;
    }
    this.#play();
    soon(() => this.#playOn());
  }

  #fail(error: unknown): void {
    this.#broken = true;
    this.#modules.failed(error);
  }

  #play(): boolean {
    const config = this.#config;
    if (config === undefined || this.#broken) return false;
    const { clock, guardHost } = this.#modules;
    const begunAt = clock.nowUs();
    try {
      return playTakeover(config, guardHost);
    } catch (error) {
      this.#fail(error);
      return false;
    } finally {
      this.#playedAt = clock.nowUs();
      this.#took = between(begunAt, this.#playedAt);
    }
  }
}

/** BACKUP, nobody is heard, MASTER with the second round of announcements, and the end. True when it became MASTER. */
function playTakeover(config: VrrpConfig, guardHost: GuardHost): boolean {
  const host = new PaperHost();
  let master = false;
  const driver = new VrrpDriver({
    host,
    wallMs: () => 0,
    report: (message) => {
      if (message.kind === "transition" && message.transition.to === "MASTER") master = true;
    },
    guardHost: { ...guardHost, open: () => obligingGuard() },
  });
  driver.attachGuard(-1);
  driver.start(config, undefined, []);
  driver.releaseElection();
  for (let step = 0; step < STEPS_MAX && !master; step++) host.fire();
  host.fire();
  driver.stop();
  return master;
}

/** One instance of the configuration, alone on an interface of paper; undefined where there is none. */
function onPaper(config: VrrpConfig): VrrpConfig | undefined {
  const instance = config.instances.find(({ priority }) => priority < 255) ?? config.instances[0];
  if (instance === undefined) return undefined;
  const nothing = { syncGroups: [], staticAddresses: [], staticRoutes: [], staticRules: [], trackGroups: {} };
  const quiet = { linkbeatInterfaces: [], linkDelays: [], startupDelay: durationUs(0), announcePacing: [] };
  return { ...config, ...nothing, ...quiet, instances: [alone(instance)] };
}

function alone(instance: VrrpInstanceConfig): VrrpInstanceConfig {
  const [first] = instance.virtualAddresses;
  const carried = { device: DEVICE, ownVirtualMac: undefined, baseInterface: undefined, trackGroup: undefined };
  return {
    ...instance,
    interface: DEVICE,
    initialState: "BACKUP",
    virtualMac: undefined,
    sourceAddress: undefined,
    trackSourceAddress: false,
    promoteSecondaries: false,
    virtualAddresses: first === undefined ? [] : [{ ...first, ...carried }],
    excludedAddresses: [],
    virtualRoutes: [],
    virtualRules: [],
    track: { interfaces: [], scripts: [], files: [], processes: [] },
    advertInterval: seconds(1),
    downTimerAdverts: 3,
    preemptDelay: durationUs(0),
    debugLevel: 0,
  };
}

/** Confirms every will that it is waited for. */
function obligingGuard(): GuardLink {
  let sequence = 0;
  return {
    send: () => undefined,
    receive: (timeoutMs) =>
      timeoutMs > 0 && sequence < CONFIRMATIONS_MAX ? { kind: "confirmed", sequence: ++sequence } : undefined,
    close: () => undefined,
  };
}

/** RFC 5737 and RFC 3849, and a link-local address: what the adverts on paper are sent from. */
const ADDRESSES = [
  { ip: ip("192.0.2.1"), prefixLength: 24, scope: "global" },
  { ip: ip("fe80::1"), prefixLength: 64, scope: "link" },
  { ip: ip("2001:db8::1"), prefixLength: 64, scope: "global" },
] as const;

const PERMANENT = {
  permanent: true,
  secondary: false,
  tentative: false,
  label: undefined,
  broadcast: undefined,
  peer: undefined,
  validSec: undefined,
} as const;

const LINK: HostInterface = {
  name: DEVICE,
  index: 1,
  up: true,
  administrativelyUp: true,
  hardwareAddress: Uint8Array.of(2, 0, 0, 0, 0, 1),
  kind: undefined,
  baseIndex: undefined,
  alias: undefined,
  addresses: ADDRESSES.map((own) => ({ ...own, ...PERMANENT })),
};

const DONE: ChangeOutcome = { ok: true };
const nothing = (): undefined => undefined;

/** A host that does what it is told and tells nothing; its time goes on from one deadline to the next. */
class PaperHost implements VrrpHost {
  #now: Us = instantUs(1_000_000);
  #armed: Us | undefined;
  #onExpired: () => void = nothing;
  readonly clock: Clock = { nowUs: () => this.#now };

  /** The next deadline has come. */
  fire(): void {
    if (this.#armed === undefined) return;
    this.#now = instantUs(Math.max(this.#now, this.#armed));
    this.#armed = undefined;
    this.#onExpired();
  }

  openTimer(onExpired: () => void): ReturnType<VrrpHost["openTimer"]> {
    this.#onExpired = onExpired;
    return {
      arm: (at) => {
        this.#armed = at;
      },
      disarm: nothing,
      close: nothing,
    };
  }

  setRealtime(): void {
    // The thread that plays has what it has.
  }

  view(): ReturnType<VrrpHost["view"]> {
    return { interfaces: [LINK] };
  }

  applyAddresses(changes: readonly unknown[]): readonly ChangeOutcome[] {
    return changes.map(() => DONE);
  }

  applyRoutes(changes: readonly unknown[]): readonly ChangeOutcome[] {
    return changes.map(() => DONE);
  }

  findRoutes(wanted: readonly unknown[]): readonly boolean[] {
    return wanted.map(() => false);
  }

  readonly driverLink = nothing;
  readonly watch = nothing;
  readonly watchRouting = nothing;
  readonly readSysctl = nothing;
  readonly close = nothing;
  readonly createDevice = (): ChangeOutcome => DONE;
  readonly setDeviceAlias = (): ChangeOutcome => DONE;
  readonly setDeviceUp = (): ChangeOutcome => DONE;
  readonly deleteDevice = (): ChangeOutcome => DONE;
  readonly writeSysctl = (): ChangeOutcome => DONE;
  readonly openReceiver = () => ({ drain: nothing, close: nothing });
  readonly openSender = () => ({ send: nothing, close: nothing });
  readonly openAnnouncer = () => ({ announce: nothing, close: nothing });
  readonly openFrameWatch = () => ({ look: nothing, close: nothing });
}
