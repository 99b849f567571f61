import type { VirtualServerConfig } from "../../../src/config/types.ts";
import type { Ip } from "../../../src/core/ip.ts";
import { serviceId } from "../../../src/plan/keys.ts";
import type { DestinationId } from "../../../src/plan/types.ts";
import { hostIp, realServerId } from "../healthRig.ts";
import { type AddressChanged, type Checker, ms, Violation } from "../vrrp/checker.ts";
import type { Seat } from "../vrrp/seat.ts";
import { type Director, SYNC_INSTANCE } from "./director.ts";
import type { JointWorld } from "./world.ts";

/** What somebody's hand did is repaired within this: the interval of the repair, and one more where answers were late. */
const REPAIRED_WITHIN_US = 6e6;
/** States of VRRP are followed at once, and looked at again every two seconds. */
const FOLLOWED_WITHIN_US = 3e6;
/** Cluster, network and directors at rest: retries have run out, nobody hunts, the cluster's truth is everybody's verdict. */
const AGREED_WITHIN_US = 12e6;

const WRITERS = "one writer for whoever follows the address";
const CHECKED = "no unchecked server at the address";
const TABLE_FIRST = "no address before the table";
const AGREED = "both tables name the primary";
const REPAIRED = "a hand in the table is repaired";
const SYNC = "connection sync follows the state";
const SUSPENDED = "ha_suspend follows the address";

/** What VRRP and health must keep together: invariants over addresses and tables of both directors. */
export class JointCheckers {
  readonly #world: JointWorld;

  constructor(world: JointWorld) {
    this.#world = world;
  }

  /** As the VRRP simulation wants to have them. */
  asChecker(): Checker {
    return {
      name: "addresses and tables",
      addressChanged: (change) => this.addressChanged(change),
      sweep: () => this.sweep(),
    };
  }

  /** After every change of a director's table. */
  tableChanged(director: Director): void {
    for (const service of director.services) {
      const address = addressOf(service);
      if (director.router.answersFor(address, 0)) this.#judgeHolder(director, service, address);
    }
  }

  addressChanged({ router, address, event, seat }: AddressChanged): void {
    const director = this.#world.directors[router.number];
    if (event !== "added" || director === undefined || seat.config === undefined) return;
    for (const service of director.services) {
      if (addressOf(service) !== address.ip) continue;
      this.#judgeTable(director, service);
      this.#judgeHolder(director, service, address.ip);
    }
  }

  sweep(): void {
    for (const director of this.#world.directors) {
      this.#judgeRepair(director);
      this.#judgeSync(director);
      for (const service of director.services) this.#judgeSuspended(director, service);
    }
    for (const service of this.#world.services) this.#judgeAgreement(service);
  }

  /** A client that follows the address into this director's table. */
  #judgeHolder(director: Director, service: VirtualServerConfig, address: Ip): void {
    // What a hand did is somebody else's, until it is repaired.
    if (director.touchedAtUs !== undefined) return;
    const { name } = director.router;
    const weighted = director.weightsOf(service.name).map(([server]) => server);
    if (isExclusive(director, service) && weighted.length > director.invariants.writersAllowed(service.name))
      throw new Violation(WRITERS, `${name} has ${address}, and ${weighted.join(" and ")} as writers`, [name]);
    // After the end of a process its table is what it left.
    if (director.life === undefined) return;
    const unchecked = weighted.find((server) => !director.invariants.proven.has(`${service.name} ${server}`));
    if (unchecked !== undefined)
      throw new Violation(CHECKED, `${name} has ${address}, and weight at ${unchecked}, never checked`, [name]);
  }

  /** An address that comes to a table without its service draws clients to nothing. */
  #judgeTable(director: Director, service: VirtualServerConfig): void {
    const { life, router } = director;
    const trouble = Object.values(director.trouble).some((chance) => chance > 0);
    if (life === undefined || trouble || director.touchedAtUs !== undefined) return;
    if (director.calmSinceUs === undefined || router.world.nowUs - director.calmSinceUs < REPAIRED_WITHIN_US) {
      if (!life.programmed) throw new Violation(TABLE_FIRST, `${router.name} has programmed nothing`, [router.name]);
      return;
    }
    if (!director.kernel.has(service.name))
      throw new Violation(TABLE_FIRST, `${router.name} gets an address without ${service.name}`, [router.name]);
  }

  #judgeRepair(director: Director): void {
    const { touchedAtUs, router, life } = director;
    if (touchedAtUs === undefined || life?.programmed !== true) return;
    if (director.difference() === undefined) {
      director.touchedAtUs = undefined;
      return;
    }
    const since = director.calmSinceUs;
    const waits = since === undefined ? 0 : router.world.nowUs - Math.max(since, touchedAtUs);
    if (waits > REPAIRED_WITHIN_US)
      throw new Violation(REPAIRED, `${router.name} has not repaired after ${ms(waits)}: ${director.difference()}`, [
        router.name,
      ]);
  }

  #judgeSync(director: Director): void {
    const { router, life } = director;
    const seat = router.seats.get(SYNC_INSTANCE);
    if (life === undefined || seat?.config === undefined || !this.#hasRested(director, seat)) return;
    const wanted = seat.state === "MASTER" ? "master" : "backup";
    const found = director.lvs.daemons.map(({ role }) => role).join(" and ");
    if (found === wanted) return;
    throw new Violation(SYNC, `${seat.label} is ${seat.state}, connection sync runs as ${found || "nothing"}`, [
      router.name,
    ]);
  }

  #judgeSuspended(director: Director, service: VirtualServerConfig): void {
    const { router, life } = director;
    const held = router.answersFor(addressOf(service), 0);
    if (!service.haSuspend || held || life?.programmed !== true || director.touchedAtUs !== undefined) return;
    if ([...router.seats.values()].some((seat) => !this.#hasRested(director, seat))) return;
    const [weighted] = director.weightsOf(service.name);
    if (weighted !== undefined)
      throw new Violation(
        SUSPENDED,
        `${router.name} has not the address of ${service.name}, and ${weighted.join(" ")}`,
        [router.name],
      );
  }

  /** Within a settled segment: a client that is led to the other director finds the same writer there. */
  #judgeAgreement(service: VirtualServerConfig): void {
    const { vrrp, directors, clusterRestsAtUs, patroni } = this.#world;
    const since = directors.map(({ calmSinceUs }) => calmSinceUs ?? Number.POSITIVE_INFINITY);
    if (vrrp.nowUs - Math.max(clusterRestsAtUs, ...since) < AGREED_WITHIN_US) return;
    if (directors.some((director) => director.touchedAtUs !== undefined)) return;
    if (directors.some((director) => !isExclusive(director, service))) return;
    const primary = realServerId(hostIp(patroni.leader().host));
    const writers = new Set<DestinationId>();
    for (const director of directors) for (const [server] of director.weightsOf(service.name)) writers.add(server);
    writers.delete(primary);
    if (writers.size > 0)
      throw new Violation(AGREED, `${primary} is primary, ${[...writers].join(" and ")} have weight`, []);
  }

  #hasRested({ router, calmSinceUs }: Director, seat: Seat): boolean {
    if (calmSinceUs === undefined) return false;
    return router.world.nowUs - Math.max(calmSinceUs, seat.stateSinceUs) > FOLLOWED_WITHIN_US;
  }
}

export function addressOf({ targets: [target] }: VirtualServerConfig): Ip {
  if (target === undefined || target.protocol === "FWM") throw new Error("a service with an address");
  return target.address;
}

export function isExclusive({ life }: Director, service: VirtualServerConfig): boolean {
  const wanted = life?.health.desired().find(({ key }) => serviceId(key) === service.name);
  return wanted?.exclusive ?? service.exclusive === "detected";
}
