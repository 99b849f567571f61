import { assertNever } from "../../core/errors.ts";
import type { Ip } from "../../core/ip.ts";
import type { Claim, Effect, Input, Transition, VrrpAlarm } from "../../vrrp/types.ts";

/** What the effects do to the world; an instance implements it on the kernel. */
export interface EffectActions {
  /** Hands an advert to the kernel. One that `mayFail` starts the clock of the leases also when it is refused. */
  sendAdvert(
    priority: number,
    mayFail: boolean,
  ): { readonly sent: true } | { readonly sent: false; readonly detail: string };
  /** Creates or refreshes every lease. */
  programAddresses(): ProgramOutcome;
  removeAddresses(): void;
  announce(repeat: number, which: "all" | "extraInterfaces"): void;
  claim(claim: Claim): void;
  lowerPriorityHeard(peer: Ip, priority: number): void;
  priorityChanged(priority: number): void;
  transition(transition: Transition): void;
  alarm(alarm: VrrpAlarm): void;
  ignored(effect: Extract<Effect, { kind: "ignored" }>): void;
}

export type ProgramOutcome =
  | { readonly kind: "done" }
  /** So long after the advert that the leases would outlive the peers' patience: not programmed. */
  | { readonly kind: "tooLate" }
  | { readonly kind: "failed"; readonly detail: string };

/**
 * Performs effects in their order, by the contract that is written at `Effect`, and returns the inputs that answer them,
 * to be fed in this order.
 */
export function runEffects(effects: readonly Effect[], actions: EffectActions): Input[] {
  const answers: Input[] = [];
  let advertSent = true;
  let addressesThere = true;
  for (const effect of effects) {
    switch (effect.kind) {
      case "sendAdvert": {
        const result = actions.sendAdvert(effect.priority, effect.mayFail);
        advertSent = result.sent || effect.mayFail;
        if (!result.sent && !effect.mayFail) answers.push({ kind: "advertNotSent", detail: result.detail });
        break;
      }
      case "addresses": {
        if (effect.action === "remove") {
          actions.removeAddresses();
          break;
        }
        if (!advertSent) break;
        const outcome = actions.programAddresses();
        addressesThere = outcome.kind === "done";
        answers.push(...answersTo(effect.action, outcome));
        break;
      }
      case "announce":
        if (advertSent && addressesThere) actions.announce(effect.repeat, effect.which);
        break;
      case "claim":
        actions.claim(effect.claim);
        break;
      case "lowerPriorityHeard":
        actions.lowerPriorityHeard(effect.peer, effect.priority);
        break;
      case "priorityChanged":
        actions.priorityChanged(effect.priority);
        break;
      case "transition":
        actions.transition(effect.transition);
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
  return answers;
}

function answersTo(action: "add" | "refresh", outcome: ProgramOutcome): Input[] {
  switch (outcome.kind) {
    case "done":
      return action === "add" ? [{ kind: "addressesDone", outcome: { ok: true } }] : [];
    case "tooLate":
      return [{ kind: "addressesMissing", cause: "notRefreshed" }];
    case "failed":
      return [{ kind: "addressesDone", outcome: { ok: false, detail: outcome.detail } }];
  }
}
