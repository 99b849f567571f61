import type { KickConfig } from "../config/types.ts";
import { HoldfastError } from "../core/errors.ts";
import type { Clock, Timers } from "../core/interfaces.ts";
import type { KickAnswers } from "../core/kicks.ts";
import { after, milliseconds } from "../core/units.ts";
import type { KickDoorStatus } from "./control.types.ts";
import type { EventLog } from "./events.ts";
import { Tally } from "./tally.ts";

export interface OpenKickServer {
  close(): Promise<void>;
}

export interface KickDoorModules {
  /** Reads the token's file and listens. Rejects with HoldfastError. */
  readonly open: (config: KickConfig, requests: KickAnswers) => Promise<OpenKickServer>;
  readonly kick: KickAnswers["kick"];
  readonly events: EventLog;
  readonly clock: Clock;
  readonly timers: Timers;
}

/** An address that is not there yet, a file that is wrong: tried again after this. */
const RETRY = milliseconds(5_000);

/**
 * Where kicks come in by HTTP (`kick_listen`). Only a hint is told there, so whatever is wrong with it keeps the daemon from
 * nothing: it is an event, stands in the status, and is tried again.
 */
export class KickDoor {
  readonly #modules: KickDoorModules;
  readonly #results = new Tally();
  #config: KickConfig | undefined;
  /** Between `begin` and `end`. */
  #open = false;
  #server: OpenKickServer | undefined;
  #problem: string | undefined;
  #disarm: () => void = () => undefined;
  /** One change after the other. */
  #changing: Promise<void> = Promise.resolve();
  #waiting = false;

  constructor(modules: KickDoorModules) {
    this.#modules = modules;
  }

  /** At the start and at a reload, which also reads the token again. */
  configure(config: KickConfig | undefined): void {
    this.#config = config;
    this.#change();
  }

  /** From here on this process is the one that listens. Resolves when it does, or cannot yet. */
  begin(): Promise<void> {
    this.#open = true;
    this.#change();
    return this.#changing;
  }

  /** Frees the port, for a successor or for good. */
  end(): Promise<void> {
    this.#open = false;
    this.#change();
    return this.#changing;
  }

  /** Undefined where it is not configured. */
  status(): KickDoorStatus | undefined {
    if (this.#config === undefined) return undefined;
    const { address, port } = this.#config;
    return {
      address,
      port,
      listening: this.#server !== undefined,
      problem: this.#problem,
      requests: this.#results.counted(),
    };
  }

  #change(): void {
    // One that has not begun yet will see what holds then.
    if (this.#waiting) return;
    this.#waiting = true;
    this.#changing = this.#changing.then(() => {
      this.#waiting = false;
      return this.#changeNow();
    });
  }

  async #changeNow(): Promise<void> {
    this.#disarm();
    await this.#server?.close();
    this.#server = undefined;
    const { open, kick, events, clock, timers } = this.#modules;
    const config = this.#config;
    if (config === undefined || !this.#open) {
      this.#problem = undefined;
      return;
    }
    const { address, port } = config;
    try {
      this.#server = await open(config, { kick, answered: (result) => this.#results.add({ result }) });
      if (this.#problem !== undefined)
        events.record("info", "kickListens", `kicks are taken on ${address} port ${port}`, {});
      this.#problem = undefined;
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      const { message, remedy } = error;
      this.#disarm = timers.at(after(clock.nowUs(), RETRY), () => this.#change());
      if (message === this.#problem) return;
      this.#problem = message;
      const words = `no kicks are taken on ${address} port ${port}: ${message}${remedy === undefined ? "" : ` (${remedy})`}`;
      events.record("warn", "kickProblem", words, {});
    }
  }
}
