import type { DurationUs, Us } from "../../core/units.ts";

/** What is played before a takeover, so that its code is warm; rehearsal.ts implements it. */
export interface Rehearsal {
  /** Plays until shortly before an instant; not at all when a first play, which takes `cold` at most, would not end by then. */
  playUntil(deadline: Us, cold: DurationUs): void;
}
