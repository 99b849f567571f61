import { parseIp } from "../core/ip.ts";
import type { OverrideTarget } from "../health/overrides.ts";

/** What the run directory keeps of operators' words. Times are of the wall's clock: an instant of this boot means nothing in the next. */
export interface OperatorMemory {
  readonly overrides: readonly RememberedOverride[];
  readonly repairPausedUntilMs: number | undefined;
}

export interface RememberedOverride {
  readonly target: OverrideTarget;
  readonly weight: number;
  /** Over a restart as well; a handover takes all. */
  readonly keep: boolean;
  readonly endsAtMs: number | undefined;
}

/** What an earlier life has written; whatever is not that is left out. */
export function readMemory(stored: unknown): OperatorMemory {
  const overrides = isRecord(stored) && Array.isArray(stored.overrides) ? stored.overrides.flatMap(readOverride) : [];
  return { overrides, repairPausedUntilMs: isRecord(stored) ? numberOf(stored.repairPausedUntilMs) : undefined };
}

function readOverride(stored: unknown): RememberedOverride[] {
  if (!isRecord(stored) || !isRecord(stored.target)) return [];
  const { weight, keep, endsAtMs, target } = stored;
  const address = typeof target.address === "string" ? parseIp(target.address) : undefined;
  if (address === undefined || typeof weight !== "number") return [];
  const service = typeof target.service === "string" ? target.service : undefined;
  return [
    {
      target: { address, port: numberOf(target.port), service },
      ...{ weight, keep: keep === true, endsAtMs: numberOf(endsAtMs) },
    },
  ];
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;
const numberOf = (value: unknown): number | undefined => (typeof value === "number" ? value : undefined);
