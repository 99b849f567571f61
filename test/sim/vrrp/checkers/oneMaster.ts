import type { VrrpInstanceConfig } from "../../../../src/config/vrrp.types.ts";
import { compareIp, family, type Ip } from "../../../../src/core/ip.ts";
import { isLinkLocal } from "../../../../src/workers/vrrp/linkFacts.ts";
import { type Checker, ms, Violation } from "../checker.ts";
import { segmentOf, sourceAddress } from "../plan.ts";
import type { Seat, SentAdvert } from "../seat.ts";
import type { World } from "../world.ts";

const NAME = "at most one master";

/** So many intervals, and some time besides, two masters may need to hear of each other whatever the LAN does. */
const SETTLE_INTERVALS = 40;
const SETTLE_US = 5e6;

/**
 * At most one master on each connected segment. Two may meet when a cut is mended or adverts were lost; but who reads an
 * advert of a better master yields before it does anything else, and two that can hear each other are soon one.
 */
export function oneMaster(world: World): Checker {
  return {
    name: NAME,
    advertTaken: (seat, packet, advert) => {
      if (seat.state !== "MASTER" || seat.stateSinceUs >= world.nowUs || !isBetter(seat, packet.source, advert)) return;
      throw new Violation(
        NAME,
        `${seat.label} (${seat.priority}) stays MASTER although ${advert.seat.label} advertises ${advert.priority}`,
        [seat.label, advert.seat.label],
      );
    },
    sweep: () => {
      for (const seats of world.seatsByInstance.values()) {
        const masters = seats.filter((seat) => seat.state === "MASTER" && seat.router.undisturbed);
        for (let a = 0; a < masters.length; a++) {
          for (let b = a + 1; b < masters.length; b++) checkPair(world, masters[a] as Seat, masters[b] as Seat);
        }
      }
    },
  };
}

function checkPair(world: World, a: Seat, b: Seat): void {
  if (a.config === undefined || b.config === undefined) return;
  if (!understand(a.config, b.config, sourceOf(b)) || !understand(b.config, a.config, sourceOf(a))) return;
  const lan = world.lan(segmentOf(a.config.interface));
  const there = lan.reaches(a.router.number, b.router.number);
  const back = lan.reaches(b.router.number, a.router.number);
  if (!there.yes || !back.yes) return;
  const since = Math.max(
    ...[there.sinceUs, back.sinceUs, a.stateSinceUs, b.stateSinceUs, a.router.disturbedAtUs, b.router.disturbedAtUs],
    ...[a.disturbedAtUs, b.disturbedAtUs],
  );
  const allowed = SETTLE_INTERVALS * Math.max(a.config.advertInterval, b.config.advertInterval) + SETTLE_US;
  if (world.nowUs - since <= allowed) return;
  throw new Violation(
    NAME,
    `${a.label} and ${b.label} are both MASTER and hear each other, for ${ms(world.nowUs - since)}`,
    [a.label, b.label],
  );
}

/** Whether an advert obliges a MASTER to yield (RFC 3768 6.4.3, RFC 9568 6.4.3). */
function isBetter(seat: Seat, source: Ip, advert: SentAdvert): boolean {
  const { config, priority, router } = seat;
  if (config === undefined || !understand(config, advert.config, source)) return false;
  if (advert.priority !== priority) return advert.priority > priority;
  // Its process may not know yet that its address has just gone or come back: of either one less, nothing is asked.
  const own = sourceOf(seat);
  return own !== undefined && compareIp(source, own) > 0 && compareIp(source, sourceAddress(router.number, config)) > 0;
}

/** Where it sends from now: its own address, and while that is deleted a virtual one that it has for ever. */
function sourceOf({ config, router }: Seat): Ip | undefined {
  if (config === undefined) return undefined;
  const own = sourceAddress(router.number, config);
  const there = router.kernel.onSegment(segmentOf(config.interface))?.addresses ?? [];
  if (there.some(({ ip }) => ip === own)) return own;
  const owned = there.find(
    ({ ip, validUntilUs }) => validUntilUs === undefined && family(ip) === config.family && mayBeSource(ip),
  );
  return owned?.ip;
}

/** IPv6 adverts come from a link-local address (RFC 9568 5.1.2.1). */
function mayBeSource(address: Ip): boolean {
  return family(address) === 4 || isLinkLocal(address);
}

/**
 * Whether a router with configuration `a` acts on adverts from `source` that are sent with `b`: same version, in version 2
 * the same interval and password; unicast only of a peer.
 */
export function understand(a: VrrpInstanceConfig, b: VrrpInstanceConfig, source: Ip | undefined): boolean {
  if (a.version !== b.version || a.transport.kind !== b.transport.kind) return false;
  if (a.transport.kind === "unicast" && !a.transport.peers.some(({ address }) => address === source)) return false;
  return a.version === 3 || (a.advertInterval === b.advertInterval && a.authPassword === b.authPassword);
}
