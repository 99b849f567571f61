import type { DurationUs } from "../../core/units.ts";
import type { CheckTiming } from "../check.types.ts";
import type { WrittenOrDefault } from "../keywords/row.ts";
import { firstWritten } from "./written.ts";

/** The timing keywords of a block around checkers; not written = not there. */
export interface OuterTiming {
  readonly delay_loop: WrittenOrDefault<DurationUs> | undefined;
  readonly connect_timeout: WrittenOrDefault<DurationUs> | undefined;
  readonly retry: WrittenOrDefault<number> | undefined;
  readonly delay_before_retry: WrittenOrDefault<DurationUs> | undefined;
  readonly warmup: WrittenOrDefault<DurationUs> | undefined;
}

/** Those of a checker, whose rows have the defaults. */
export interface CheckerTiming extends OuterTiming {
  readonly delay_loop: WrittenOrDefault<DurationUs>;
  readonly connect_timeout: WrittenOrDefault<DurationUs>;
  readonly retry: WrittenOrDefault<number>;
  readonly delay_before_retry: WrittenOrDefault<DurationUs>;
}

/**
 * keepalived.conf(5): the virtual server's setting is the default for real servers, the real server's for checkers.
 * @param checker the checker's own block, with what it inherits from behind it; at least one
 */
export function buildTiming(checker: readonly CheckerTiming[], outer: readonly OuterTiming[]): CheckTiming {
  const [own] = checker;
  if (own === undefined) throw new Error("a checker without a block");
  const levels: readonly OuterTiming[] = [...checker, ...outer];
  const delayLoop = firstWritten(
    levels.map((each) => each.delay_loop),
    own.delay_loop,
  );
  const warmup = levels.map((each) => each.warmup).find((each) => each !== undefined);
  return {
    delayLoop,
    connectTimeout: firstWritten(
      levels.map((each) => each.connect_timeout),
      own.connect_timeout,
    ),
    retry: firstWritten(
      levels.map((each) => each.retry),
      own.retry,
    ),
    delayBeforeRetry: firstWritten(
      levels.map((each) => each.delay_before_retry),
      own.delay_before_retry,
    ),
    warmup: warmup === undefined ? delayLoop : warmup.value,
  };
}
