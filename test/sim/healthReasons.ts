import type { VirtualServerConfig } from "../../src/config/types.ts";
import type { HealthEvent, ServiceHealth } from "../../src/health/types.ts";

/**
 * Every transition has a reason: each change of a verdict, a holder or a quorum is told once, from what was told before, and
 * in words; nothing else changes.
 */
export class HealthReasons {
  /** By what changes (`verdict SERVICE SERVER`, `holder SERVICE`, ...): what was told last. */
  private readonly last = new Map<string, string>();
  private readonly mayBeginAnew = new Set<string>();
  changes = 0;
  /** How often a service got a holder. */
  holdersTaken = 0;

  /** A new process knows nothing. */
  newLife(): void {
    this.last.clear();
  }

  /**
   * The verdicts and quorum of services that are no longer configured are forgotten with them; so are, for their first news, the
   * verdicts of those that may be suspended. A holder, a hunt and a conflict are told to have ended.
   */
  reloaded(services: readonly Pick<VirtualServerConfig, "name" | "haSuspend">[]): void {
    for (const key of [...this.last.keys()]) {
      const service = services.find(({ name }) => key.includes(` ${name}`));
      if (service === undefined && /^(verdict|quorum) /.test(key)) this.last.delete(key);
      else if (service?.haSuspend === true && key.startsWith("verdict ")) this.mayBeginAnew.add(key);
    }
  }

  told(event: HealthEvent): void {
    switch (event.kind) {
      case "verdict":
        this.change(`verdict ${event.service} ${event.server}`, event.from, event.to, event.reason, "unknown");
        break;
      case "holder":
        if (event.to !== undefined) this.holdersTaken += 1;
        this.change(`holder ${event.service}`, event.from, event.to, event.reason, undefined);
        break;
      case "quorum":
        // The first decision, also after a time in which nobody was asked (`ha_suspend`).
        if (event.from === undefined) this.last.delete(`quorum ${event.service}`);
        this.change(`quorum ${event.service}`, event.from, event.to, `${event.weight} of ${event.needed}`, undefined);
        break;
      case "hunt": {
        const [from, to] = event.phase === "started" ? ["ended", "started"] : ["started", "ended"];
        this.change(`hunt ${event.service}`, from, to, event.reason, "ended");
        break;
      }
      case "conflict":
        if (event.decision.trim() === "") throw new Error(`a conflict of ${event.service} is told without a decision`);
        this.last.set(`conflict ${event.service}`, "seen");
        break;
      case "conflictEnded":
        this.change(`conflict ${event.service}`, "seen", "ended", "it ended", "ended");
        break;
      default: {
        const words = "reason" in event ? event.reason : "what" in event ? event.what : "said";
        if (words.trim() === "") throw new Error(`${event.kind} is told without a reason`);
      }
    }
  }

  /** What is shown must be what was told. A verdict that a reload has made unknown is told with its first result. */
  compare(view: readonly ServiceHealth[]): void {
    for (const { service, holder, servers, hunting, conflict } of view) {
      this.expectTold(`holder ${service}`, holder, undefined);
      this.expectTold(`hunt ${service}`, hunting ? "started" : "ended", "ended");
      this.expectTold(`conflict ${service}`, conflict ? "seen" : "ended", "ended");
      for (const { server, verdict } of servers)
        if (verdict !== "unknown") this.expectTold(`verdict ${service} ${server}`, verdict, "unknown");
    }
    const services = new Set<string>(view.map(({ service }) => service));
    for (const key of this.last.keys()) {
      const [, what, service] = /^(holder|hunt|conflict) (.*)$/.exec(key) ?? [];
      if (service !== undefined && !services.has(service))
        this.expectTold(key, what === "holder" ? undefined : "ended", undefined);
    }
  }

  private expectTold(key: string, shown: string | undefined, initial: string | undefined): void {
    const told = this.last.get(key) ?? String(initial);
    if (told !== String(shown)) throw new Error(`${key} is ${shown}, told was ${told}`);
  }

  private change(
    key: string,
    from: string | undefined,
    to: string | undefined,
    reason: string,
    initial: string | undefined,
  ): void {
    this.changes += 1;
    const before = this.last.get(key) ?? String(initial);
    const anew = String(from) === String(initial) && this.mayBeginAnew.has(key);
    if (before !== String(from) && !anew) throw new Error(`${key} leaves ${from}, told was ${before}`);
    if (from === to) throw new Error(`${key} goes from ${from} to ${to}, which is no change`);
    if (reason.trim() === "") throw new Error(`${key} goes from ${from} to ${to} without a reason`);
    this.mayBeginAnew.delete(key);
    this.last.set(key, String(to));
  }
}
