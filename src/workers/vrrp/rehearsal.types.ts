import type { Us } from "../../core/units.ts";

/** What is played before a takeover, so that its code is warm; rehearsal.ts implements it. */
export interface Rehearsal {
  /** Plays until shortly before an instant; not at all when that is too near. */
  playUntil(deadline: Us): void;
}
