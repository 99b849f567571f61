import type { Daemon } from "../daemon/daemon.ts";
import type { EventLog } from "../daemon/events.ts";
import type { KickDoor } from "../daemon/kickDoor.ts";
import { Liveness } from "../daemon/liveness.ts";
import { loopTimers, monotonicClock } from "../io/clock.ts";
import { type ControlServer, controlSocketPath, serveControl } from "../io/controlSocket.ts";
import { serveMetrics } from "../io/metrics/server.ts";
import { sdNotify, watchdogLimit } from "../io/sdNotify.ts";
import { metricsText } from "./metricsText.ts";

export interface ListeningParts {
  readonly options: { readonly metricsListen?: string };
  /** The run directory. */
  readonly path: string;
  readonly daemon: Daemon;
  readonly events: EventLog;
  readonly kickDoor: KickDoor;
  /** Resolves when the VRRP thread's loop has answered. */
  readonly pulse: () => Promise<void>;
}

/** What one process of a host alone can have, and a daemon gives to its successor: control socket, ports for metrics and kicks, the watchdog's attention. */
export class Listening {
  readonly #parts: ListeningParts;
  readonly #liveness: Liveness;
  #control: ControlServer | undefined;
  #metrics: { close(): Promise<void> } | undefined;

  constructor(parts: ListeningParts) {
    this.#parts = parts;
    const notify = (state: string): void => void sdNotify(state);
    const { events, pulse } = parts;
    const modules = { clock: monotonicClock, timers: loopTimers, events, notify, pulse };
    this.#liveness = new Liveness({ watchdog: watchdogLimit() }, modules);
  }

  async begin(answer: (request: unknown) => Promise<object>): Promise<void> {
    const { options, path, daemon } = this.#parts;
    this.#control = await serveControl(controlSocketPath(path), answer);
    const { metricsListen } = options;
    if (metricsListen !== undefined) {
      this.#metrics = await serveMetrics(metricsListen, async () => metricsText(await daemon.status()));
    }
    await this.#parts.kickDoor.begin();
    this.#liveness.start();
  }

  /** Makes room for a successor; who is connected to the control socket still gets an answer. */
  async end(): Promise<void> {
    this.#liveness.stop();
    this.#control?.stopListening();
    await this.#parts.kickDoor.end();
    await this.#metrics?.close();
    this.#metrics = undefined;
  }

  async close(): Promise<void> {
    await this.end();
    await new Promise<void>((resolve) => {
      if (this.#control === undefined) resolve();
      else this.#control.close(() => resolve());
    });
  }
}
