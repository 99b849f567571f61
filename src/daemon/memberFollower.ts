import type { DiscoveryConfig, VirtualServerConfig } from "../config/types.ts";
import type { Clock, Timers } from "../core/interfaces.ts";
import { endpointText } from "../core/ip.ts";
import { after } from "../core/units.ts";
import type { ClusterTold, ProbeOutcome } from "../health/types.ts";
import type { ServiceId } from "../plan/types.ts";

export type ClusterSource = DiscoveryConfig["sources"][number];

/** Asks one REST API about its cluster; exactly one outcome, later. src/io/clusterReader.ts implements it. */
export type AskCluster = (
  discovery: DiscoveryConfig,
  source: ClusterSource,
  done: (outcome: ProbeOutcome) => void,
) => void;

export interface MemberFollowerModules {
  readonly ask: AskCluster;
  /** Whether an answer counts for a service. */
  readonly counts: (service: ServiceId, outcome: ProbeOutcome) => boolean;
  /**
   * The answer that counts, with those of the same round that did not; where none does, the first one that was an answer, else the last
   * failure.
   */
  readonly tell: (service: ServiceId, told: ClusterTold, passedOver: readonly ClusterTold[]) => void;
  readonly clock: Clock;
  readonly timers: Timers;
}

interface Followed {
  readonly discovery: DiscoveryConfig;
  /** Which source is asked first: the one whose answer counted last. */
  first: number;
  disarm: () => void;
  stopped: boolean;
}

/**
 * Asks for the members of clusters that services follow (`patroni_cluster`): at once and then at their interval, of the
 * sources in turn until an answer counts, the one first whose answer counted last. It judges nothing itself.
 */
export class MemberFollower {
  readonly #modules: MemberFollowerModules;
  readonly #followed = new Map<ServiceId, Followed>();

  constructor(modules: MemberFollowerModules) {
    this.#modules = modules;
  }

  /** A service that asks as before goes on as it is. */
  configure(services: readonly VirtualServerConfig[]): void {
    const wanted = new Map(
      services.flatMap(({ name, discovery }) => (discovery === undefined ? [] : [[name, discovery] as const])),
    );
    for (const [name, followed] of this.#followed) {
      const discovery = wanted.get(name);
      if (JSON.stringify(discovery) === JSON.stringify(followed.discovery)) wanted.delete(name);
      else this.#end(name, followed);
    }
    for (const [name, discovery] of wanted) this.#begin(name, discovery, 0);
  }

  /** At once, and not what is under way: that was asked before. */
  askAgain(services: ReadonlySet<ServiceId>): void {
    for (const [name, followed] of [...this.#followed]) {
      if (!services.has(name)) continue;
      this.#end(name, followed);
      this.#begin(name, followed.discovery, followed.first);
    }
  }

  stop(): void {
    for (const [name, followed] of this.#followed) this.#end(name, followed);
  }

  #begin(name: ServiceId, discovery: DiscoveryConfig, first: number): void {
    const followed: Followed = { discovery, first, disarm: () => undefined, stopped: false };
    this.#followed.set(name, followed);
    this.#round(name, followed);
  }

  #end(name: ServiceId, followed: Followed): void {
    followed.stopped = true;
    followed.disarm();
    this.#followed.delete(name);
  }

  #round(name: ServiceId, followed: Followed): void {
    const { clock, timers } = this.#modules;
    const next = after(clock.nowUs(), followed.discovery.interval);
    this.#ask(name, followed, [], () => {
      if (!followed.stopped) followed.disarm = timers.at(next, () => this.#round(name, followed));
    });
  }

  #ask(name: ServiceId, followed: Followed, passedOver: readonly ClusterTold[], done: () => void): void {
    const { sources } = followed.discovery;
    const index = (followed.first + passedOver.length) % sources.length;
    const source = sources[index];
    if (source === undefined) return;
    this.#modules.ask(followed.discovery, source, (outcome) => {
      if (followed.stopped) return;
      const told: ClusterTold = { source: endpointText(source.address, source.port), outcome };
      if (this.#modules.counts(name, outcome)) {
        followed.first = index;
        this.#modules.tell(name, told, passedOver);
        done();
        return;
      }
      const heard = [...passedOver, told];
      if (heard.length < sources.length) {
        this.#ask(name, followed, heard, done);
        return;
      }
      // The same one in each round, so that it is told once.
      this.#modules.tell(name, heard.find((each) => each.outcome.kind === "answered") ?? told, []);
      done();
    });
  }
}
