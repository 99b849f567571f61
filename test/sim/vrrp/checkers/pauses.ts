import { type Checker, ms, Violation } from "../checker.ts";

const NAME = "a paused router listens first";

/**
 * A MASTER that was silent for so long that a peer may have taken over (paused, suspended, without processor, refused
 * sends) sends no advert and refreshes no address before it has listened; and what it refreshes, it refreshes directly
 * after an advert, so that the kernel's clock and the peers' start together. By the router's own clock, when it calls the
 * kernel: what no clock shows, and a stall in the midst of the call, nobody can know.
 */
export function listensAfterPause(): Checker {
  return {
    name: NAME,
    advertSent: (seat, priority) => {
      const { sentWith, router } = seat;
      if (sentWith === undefined || priority === 0 || seat.state !== "MASTER" || seat.termAdverts === 0) return;
      const silence = router.calledAtOwnUs - seat.sentAtOwnUs;
      const limit = Math.max(sentWith.downTimerAdverts, 1.004) * sentWith.advertInterval;
      if (silence < limit) return;
      throw new Violation(
        NAME,
        `${seat.label} goes on as MASTER after ${ms(silence)} of silence, its peers wait for ${ms(limit)}`,
        [seat.label],
      );
    },
    addressChanged: ({ seat, event, address }) => {
      const { config, router } = seat;
      if (event === "removed" || event === "expired" || config === undefined || address.validUntilUs === undefined)
        return;
      const age = router.clockUs() - seat.sentAtOwnUs;
      // The driver stops a batch that begins later; the call itself may be stalled, and then the kernel is late too.
      const limit = config.advertInterval / 4 + router.stallMaxUs + 1000;
      if (age <= limit) return;
      throw new Violation(NAME, `${seat.label} ${event} ${address.ip} ${ms(age)} after its last advert`, [seat.label]);
    },
  };
}
