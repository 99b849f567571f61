import type { VrrpAlarm } from "../../vrrp/types.ts";
import type { WorkerAlarm } from "./protocol.ts";

/** Bound against an endless series of different ones; the oldest are forgotten first. */
const STANDING_MAX = 64;

/** Alarms that stand until their cause is gone: each is told once. */
export class AlarmBook {
  readonly #standing = new Map<string, VrrpAlarm | WorkerAlarm>();
  readonly #tell: (alarm: VrrpAlarm | WorkerAlarm) => void;

  constructor(tell: (alarm: VrrpAlarm | WorkerAlarm) => void) {
    this.#tell = tell;
  }

  get standing(): readonly (VrrpAlarm | WorkerAlarm)[] {
    return [...this.#standing.values()];
  }

  /** Tells the alarm unless one of this key stands; `key` names the cause, with its text where that is news. */
  raise(key: string, alarm: VrrpAlarm | WorkerAlarm): void {
    if (this.#standing.has(key)) return;
    if (this.#standing.size >= STANDING_MAX) {
      const oldest = this.#standing.keys().next();
      if (oldest.done !== true) this.#standing.delete(oldest.value);
    }
    this.#standing.set(key, alarm);
    this.#tell(alarm);
  }

  announceFailed(device: string, error: unknown): void {
    const detail = `announcement on ${device}: ${error instanceof Error ? error.message : String(error)}`;
    this.raise(`announce ${detail}`, { kind: "sendFailed", detail });
  }

  /** Tells something that happened and is over. */
  tell(alarm: VrrpAlarm | WorkerAlarm): void {
    this.#tell(alarm);
  }

  /** The cause is gone; what is raised with such a key is news again. */
  clear(prefix: string): void {
    if (this.#standing.size === 0) return;
    for (const key of this.#standing.keys()) if (key.startsWith(prefix)) this.#standing.delete(key);
  }
}
