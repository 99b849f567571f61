import type { Us } from "./units.ts";

/** CLOCK_MONOTONIC. Simulations give a virtual one. */
export interface Clock {
  nowUs(): Us;
}

/** Arms one call at an instant; the returned function disarms it. */
export interface Timers {
  at(instant: Us, call: () => void): () => void;
}

/** The part of pino that the product uses. Levels by consequence: error = an operator must act, warn = will matter, info = a change. */
export interface Logger {
  error(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  info(fields: object, message: string): void;
  debug(fields: object, message: string): void;
  child(fields: object): Logger;
}
