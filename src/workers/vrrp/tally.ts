import type { Ip } from "../../core/ip.ts";
import type { Report } from "./instance.ts";

/** Senders with unknown virtual router ids that are logged, each once. */
const STRANGERS_LOGGED_MAX = 64;

/** Packets that were not acted on. */
export class DiscardTally {
  logsUnknownVrids = false;
  readonly #counts = new Map<string, number>();
  readonly #strangers = new Set<string>();
  readonly #report: (message: Report) => void;

  constructor(report: (message: Report) => void) {
    this.#report = report;
  }

  get counts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts);
  }

  count(reason: string): void {
    this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + 1);
  }

  unknownVrid(device: string, virtualRouterId: number, source: Ip): void {
    if (!this.logsUnknownVrids || this.#strangers.size >= STRANGERS_LOGGED_MAX) return;
    const key = `${device} ${virtualRouterId} ${source}`;
    if (this.#strangers.has(key)) return;
    this.#strangers.add(key);
    const fields = { device, virtualRouterId, source };
    const message = "adverts of a virtual router that is not configured";
    this.#report({ kind: "log", level: "info", fields, message });
  }
}
