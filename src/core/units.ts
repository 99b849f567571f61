/**
 * The units of the product as branded numbers, and the only conversions between them.
 * Time inside the program is CLOCK_MONOTONIC in microseconds (`Us`, an instant) and spans of it (`DurationUs`):
 * a double holds 285 years of microseconds exactly.
 */

declare const brand: unique symbol;

/** An instant of CLOCK_MONOTONIC, in microseconds. */
export type Us = number & { readonly [brand]: "instant-us" };
/** A span of time, in microseconds. */
export type DurationUs = number & { readonly [brand]: "duration-us" };

export const US_PER_SECOND = 1_000_000;
export const US_PER_MILLISECOND = 1_000;

export const instantUs = (value: number): Us => value as Us;
export const durationUs = (value: number): DurationUs => value as DurationUs;
export const seconds = (value: number): DurationUs => Math.round(value * US_PER_SECOND) as DurationUs;
export const milliseconds = (value: number): DurationUs => Math.round(value * US_PER_MILLISECOND) as DurationUs;

/** The instant `span` after `at`. */
export const after = (at: Us, span: DurationUs): Us => (at + span) as Us;
/** The instant `span` before `at`. */
export const ago = (at: Us, span: DurationUs): Us => (at - span) as Us;
/** The span from `from` to `to`; negative when `to` is earlier. */
export const between = (from: Us, to: Us): DurationUs => (to - from) as DurationUs;
/**
 * The first whole multiple of `interval` after `at`. What recurs at leisure is planned so: intervals that divide each other come due
 * together and wake a sleeping processor once.
 */
export const nextMultiple = (interval: DurationUs, at: Us): Us => ((Math.floor(at / interval) + 1) * interval) as Us;
/** The earlier of two instants. */
export const earlier = (a: Us, b: Us): Us => (a < b ? a : b);
export const toSeconds = (span: DurationUs): number => span / US_PER_SECOND;
export const toMilliseconds = (span: DurationUs): number => span / US_PER_MILLISECOND;

const BYTE_UNITS = ["B", "kB", "MB", "GB", "TB"];

/** `16 MB`: units of 1024, as PostgreSQL writes them; at most one digit behind the point. */
export function bytesText(bytes: number): string {
  const power = bytes < 1 ? 0 : Math.min(Math.floor(Math.log2(bytes) / 10), BYTE_UNITS.length - 1);
  return `${Number((bytes / 1024 ** power).toFixed(1))} ${BYTE_UNITS[power]}`;
}
