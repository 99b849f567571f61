import { ok } from "../../core/result.ts";
import type { RoleLossConfig } from "../types.ts";
import { choice, invalid, timer } from "./kinds.ts";
import type { ValueKind } from "./row.ts";

/** A day: whoever wants longer writes no deadline. */
const DRAIN_MAX_SEC = 86_400;
const drainDeadline = timer({ minSec: 0, maxSec: DRAIN_MAX_SEC });

/** `cut`, `drain`, `drain 300`, `keep` */
export const roleLossKind: ValueKind<RoleLossConfig> = {
  syntax: `cut|drain [<SECONDS 0..${DRAIN_MAX_SEC}>]|keep`,
  minimumWords: 1,
  maximumWords: 2,
  parse: ([policy, ...rest]) => {
    const parsed = choice("policy", ["cut", "drain", "keep"]).parse(policy === undefined ? [] : [policy]);
    if (!parsed.ok) return parsed;
    const [extra] = rest;
    if (parsed.value !== "drain") {
      if (extra === undefined) return ok({ policy: parsed.value });
      return invalid(extra, `stands behind ${parsed.value}, which takes no value`, "remove it, or write drain");
    }
    if (extra === undefined) return ok({ policy: "drain", deadline: undefined });
    const deadline = drainDeadline.parse([extra]);
    return deadline.ok ? ok({ policy: "drain", deadline: deadline.value }) : deadline;
  },
  format: (value) =>
    value.policy === "drain" && value.deadline !== undefined
      ? `drain ${drainDeadline.format(value.deadline)}`
      : value.policy,
};
