import type { Clock } from "../../core/interfaces.ts";
import {
  after,
  ago,
  between,
  type DurationUs,
  durationUs,
  milliseconds,
  toMilliseconds,
  type Us,
} from "../../core/units.ts";
import { beatFrame, encodeWill, type GuardAnswer, type WillItem, willFrames } from "../../wire/guard.ts";
import { isDue } from "./agenda.ts";
import type { Estate } from "./estate.ts";
import type { GuardHost, GuardLink } from "./ports.ts";

/** The limit of design.md: two intervals of the smallest advert_int among MASTER instances, at least 300 ms. */
const LIMIT_INTERVALS = 2;
const LIMIT_MIN: DurationUs = milliseconds(300);
/** While nothing is held, a missing heartbeat is only reported. */
const LIMIT_IDLE: DurationUs = milliseconds(2_000);
const BEATS_PER_LIMIT = 4;
/**
 * By so much of the time between two heartbeats one goes early, behind whatever the timer was for. Both are counted from the advert
 * that begins a term, so the advert is what it goes with.
 */
const EARLY_PART = 0.5;
/** A guard answers within a millisecond; one that does not in this time is as good as none. */
const CONFIRMATION_WAIT_MS = 50;

export interface LastWillModules {
  readonly clock: Clock;
  /** Undefined where no guard is used: then nothing is done at all. */
  readonly host: GuardHost | undefined;
  /** What every instance would leave behind if this process died now. */
  readonly estates: () => readonly Estate[];
  readonly log: (level: "error" | "warn", fields: object, message: string) => void;
}

/**
 * The VRRP thread's side of the guard: the will is confirmed before the first address is added, and it
 * shrinks only after addresses are gone, so at any moment it names at least what is held. Heartbeats prove that this
 * very loop runs.
 */
export class LastWill {
  readonly #modules: LastWillModules;
  #link: GuardLink | undefined;
  #sequence = 0;
  #limit: DurationUs = LIMIT_IDLE;
  #estates: readonly Estate[] = [];
  /** What was encoded once. */
  readonly #items = new WeakMap<Estate, EstateItems>();
  #confirmed = false;
  #nextBeatAt: Us | undefined;

  constructor(modules: LastWillModules) {
    this.#modules = modules;
  }

  /**
   * A guard by the descriptor of its socket, the first or another one in place of one that died; it is told at once what
   * there is. Throws NativeError.
   */
  attach(descriptor: number): void {
    this.#open(descriptor);
    this.settle();
  }

  /**
   * A predecessor's guard, which has its will, and with it everything that is held: ours takes its place without being waited
   * for, since no advert leaves meanwhile. Whoever asks for the status, or the next heartbeat, finds it confirmed. Throws NativeError.
   */
  inherit(descriptor: number): void {
    this.#open(descriptor);
    this.#estates = this.#modules.estates();
    this.#write();
  }

  #open(descriptor: number): void {
    this.#link?.close();
    this.#link = this.#modules.host?.open(descriptor);
    this.#confirmed = false;
  }

  /** What would be left behind may be another thing now: returns when the guard knows. */
  settle(): void {
    if (this.#link === undefined) return;
    const estates = this.#modules.estates();
    if (!this.#confirmed) this.#listen();
    if (this.#confirmed && sameEstates(estates, this.#estates)) return;
    this.#estates = estates;
    if (this.#write()) this.#awaitConfirmation();
  }

  get deadline(): Us | undefined {
    return this.#nextBeatAt;
  }

  /** Proves that the loop runs, when it is time for that. */
  beat(now: Us): void {
    if (isDue(this.#nextBeatAt, now)) this.#beat(now);
  }

  /** As `beat`, when it is nearly time and the thread is awake for something else, which was done first. */
  beatAlong(now: Us): void {
    const early = durationUs(this.#interval() * EARLY_PART);
    if (this.#nextBeatAt !== undefined && isDue(ago(this.#nextBeatAt, early), now)) this.#beat(now);
  }

  #beat(now: Us): void {
    this.#send([beatFrame()]);
    this.#planBeat(now);
    this.#listen();
  }

  /** What the guard has said meanwhile. */
  #listen(): void {
    for (let answer = this.#receive(0); answer !== undefined; answer = this.#receive(0)) this.#hear(answer);
  }

  /** `armed`: a will that is not empty is confirmed, so a death is answered by the guard. */
  status(): { readonly attached: boolean; readonly armed: boolean; readonly limitMs: number } {
    this.#listen();
    return {
      attached: this.#link !== undefined,
      armed: this.#confirmed && this.#estates.length > 0,
      limitMs: toMilliseconds(this.#limit),
    };
  }

  close(): void {
    this.#link?.close();
    this.#forget();
  }

  /** False when there is nobody to tell, or too much. */
  #write(): boolean {
    const { host, log, clock } = this.#modules;
    this.#confirmed = false;
    if (host === undefined) return false;
    const items = this.#estates.map((estate) => this.#itemsOf(estate, host));
    // Addresses first, of all instances: a peer may answer the very first advert.
    const will = encodeWill([...items.flatMap(([requests]) => requests), ...items.flatMap(([, packets]) => packets)]);
    if (will === undefined) {
      log(
        "error",
        {},
        "the last will is larger than the guard holds: after a death addresses end with their leases only",
      );
      return false;
    }
    this.#limit = limitOf(this.#estates);
    this.#sequence += 1;
    this.#send(willFrames(will, toMilliseconds(this.#limit), this.#sequence));
    this.#planBeat(clock.nowUs());
    return true;
  }

  #itemsOf(estate: Estate, host: GuardHost): EstateItems {
    const known = this.#items.get(estate);
    if (known !== undefined) return known;
    const requests = host
      .encodeAddresses(estate.changes)
      .map((data): WillItem => ({ kind: "netlink", address: NO_BYTES, control: NO_BYTES, data }));
    const items: EstateItems = [requests, estate.resignations.map((advert) => host.readyMade(advert))];
    this.#items.set(estate, items);
    return items;
  }

  #awaitConfirmation(): void {
    const { clock, log } = this.#modules;
    const begunAt = clock.nowUs();
    for (;;) {
      const leftMs = CONFIRMATION_WAIT_MS - toMilliseconds(between(begunAt, clock.nowUs()));
      const answer = leftMs > 0 ? this.#receive(Math.ceil(leftMs)) : undefined;
      if (answer === undefined) {
        if (this.#link !== undefined)
          log("error", {}, "the guard does not confirm: after a death addresses end with their leases only");
        return;
      }
      if (this.#hear(answer)) return;
    }
  }

  /** Returns whether it is what the guard says of the will as it is now. */
  #hear(answer: GuardAnswer): boolean {
    const { log } = this.#modules;
    if (answer.kind === "late") {
      const words = "the guard missed a heartbeat of the VRRP thread while nothing was held";
      log("warn", { lateMs: answer.lateMs }, words);
    }
    if (!("sequence" in answer) || answer.sequence !== this.#sequence) return false;
    if (answer.kind === "confirmed") this.#confirmed = true;
    if (answer.kind === "refused") log("error", { reason: answer.reason }, "the guard refused the last will");
    return answer.kind === "confirmed" || answer.kind === "refused";
  }

  #planBeat(now: Us): void {
    this.#nextBeatAt = this.#link === undefined ? undefined : after(now, this.#interval());
  }

  /** Between two heartbeats. */
  #interval(): DurationUs {
    return durationUs(this.#limit / BEATS_PER_LIMIT);
  }

  #send(frames: readonly Uint8Array[]): void {
    try {
      for (const frame of frames) this.#link?.send(frame);
    } catch (error) {
      // It died: the main thread sees that too, and gives another one.
      this.#modules.log("warn", { error: String(error) }, "the guard cannot be reached");
      this.#forget();
    }
  }

  #receive(timeoutMs: number): GuardAnswer | undefined {
    try {
      return this.#link?.receive(timeoutMs);
    } catch (error) {
      this.#modules.log("warn", { error: String(error) }, "the guard cannot be reached");
      this.#forget();
      return undefined;
    }
  }

  #forget(): void {
    this.#link = undefined;
    this.#confirmed = false;
    this.#nextBeatAt = undefined;
  }
}

type EstateItems = readonly [requests: readonly WillItem[], packets: readonly WillItem[]];

const NO_BYTES = new Uint8Array();

/** By identity: an estate that has not changed is the same object. */
function sameEstates(a: readonly Estate[], b: readonly Estate[]): boolean {
  return a.length === b.length && a.every((estate, index) => estate === b[index]);
}

function limitOf(estates: readonly Estate[]): DurationUs {
  if (estates.length === 0) return LIMIT_IDLE;
  const shortest = Math.min(...estates.map(({ advertInterval }) => advertInterval));
  return durationUs(Math.max(LIMIT_MIN, LIMIT_INTERVALS * shortest));
}
