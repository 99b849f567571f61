import { assertNever } from "../../core/errors.ts";
import type { Effect, Input, Transition, VrrpAlarm } from "../../vrrp/types.ts";

type EffectOf<Kind extends Effect["kind"]> = Extract<Effect, { readonly kind: Kind }>;

/** What the effects do to the world; an instance implements it on the kernel. */
export interface EffectActions {
  /** Hands an advert to the kernel. */
  sendAdvert(
    effect: EffectOf<"sendAdvert">,
  ): { readonly sent: true } | { readonly sent: false; readonly detail: string };
  /** Creates or refreshes every lease. */
  programAddresses(action: "add" | "refresh"): ProgramOutcome;
  removeAddresses(): void;
  announce(effect: EffectOf<"announce">): void;
  transition(transition: Transition): void;
  claim(effect: EffectOf<"claim">): void;
  lowerPriorityHeard(effect: EffectOf<"lowerPriorityHeard">): void;
  priorityChanged(effect: EffectOf<"priorityChanged">): void;
  alarm(alarm: VrrpAlarm): void;
  ignored(effect: EffectOf<"ignored">): void;
}

export type ProgramOutcome =
  /** `added`: everything that an `add` asked for is there now. */
  | { readonly kind: "done"; readonly added: boolean }
  /** A slice is done, others follow. */
  | { readonly kind: "waiting" }
  /** So long after the advert that the leases would outlive the peers' patience: not programmed. */
  | { readonly kind: "tooLate" }
  | { readonly kind: "failed"; readonly detail: string };

/**
 * Performs effects in their order, by the contract that is written at `Effect`, and returns the inputs that answer them,
 * to be fed in this order.
 */
export function runEffects(effects: readonly Effect[], actions: EffectActions): readonly Input[] {
  let answers: Input[] | undefined;
  let advertSent = true;
  let addressesThere = true;
  for (const effect of effects) {
    switch (effect.kind) {
      case "sendAdvert": {
        const result = actions.sendAdvert(effect);
        advertSent = result.sent || effect.mayFail;
        if (!result.sent && !effect.mayFail) {
          answers ??= [];
          answers.push({ kind: "advertNotSent", detail: result.detail });
        }
        break;
      }
      case "addresses": {
        if (effect.action === "remove") {
          actions.removeAddresses();
          break;
        }
        if (!advertSent) break;
        const outcome = actions.programAddresses(effect.action);
        addressesThere = outcome.kind === "done" || outcome.kind === "waiting";
        const answer = answerTo(outcome);
        if (answer !== undefined) {
          answers ??= [];
          answers.push(answer);
        }
        break;
      }
      case "announce":
        if (advertSent && addressesThere) actions.announce(effect);
        break;
      case "transition":
        actions.transition(effect.transition);
        break;
      case "claim":
        actions.claim(effect);
        break;
      case "lowerPriorityHeard":
        actions.lowerPriorityHeard(effect);
        break;
      case "priorityChanged":
        actions.priorityChanged(effect);
        break;
      case "alarm":
        actions.alarm(effect.alarm);
        break;
      case "ignored":
        actions.ignored(effect);
        break;
      default:
        assertNever(effect);
    }
  }
  return answers ?? NO_ANSWERS;
}

export const NO_ANSWERS: readonly Input[] = [];

/** What the machine is told of a slice of addresses. */
export function answerTo(outcome: ProgramOutcome): Input | undefined {
  switch (outcome.kind) {
    case "done":
      return outcome.added ? { kind: "addressesDone", outcome: { ok: true } } : undefined;
    case "waiting":
      return undefined;
    case "tooLate":
      return { kind: "addressesMissing", cause: "notRefreshed" };
    case "failed":
      return { kind: "addressesDone", outcome: { ok: false, detail: outcome.detail } };
    default:
      return assertNever(outcome);
  }
}
