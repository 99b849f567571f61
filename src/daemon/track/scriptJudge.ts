/** What a script's results say, as keepalived judges them: the first decides at once, later ones must come in a row. */
export interface ScriptVerdict {
  /** Undefined: it has not run yet. */
  readonly up: boolean | undefined;
  /** Results in a row that speak against `up`. */
  readonly against: number;
}

/** `init_fail` counts as failed until the first result; without it nothing is known. */
export function initialVerdict(initFail: boolean): ScriptVerdict & { readonly first: boolean } {
  return { up: initFail ? false : undefined, against: 0, first: true };
}

/** @param limits `rise` successes in a row bring it up, `fall` failures down */
export function judgeScript(
  verdict: ScriptVerdict & { readonly first: boolean },
  success: boolean,
  limits: { readonly rise: number; readonly fall: number },
): ScriptVerdict & { readonly first: boolean } {
  if (verdict.first || verdict.up === success) return { up: success, against: 0, first: false };
  const against = verdict.against + 1;
  const needed = success ? limits.rise : limits.fall;
  return against >= needed ? { up: success, against: 0, first: false } : { ...verdict, against };
}
