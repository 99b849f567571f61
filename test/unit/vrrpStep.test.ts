import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ip } from "../../src/core/ip.ts";
import { instantUs, milliseconds } from "../../src/core/units.ts";
import { initialState, nextDeadline, step } from "../../src/vrrp/step.ts";
import { ADDRESSES_TAKEN_MAX, ownMasterDownInterval, silenceLimit } from "../../src/vrrp/timers.ts";
import type { Effect, Input, RouterState } from "../../src/vrrp/types.ts";
import {
  heard,
  inputFor,
  LINK_UP,
  PARAMETERS,
  randomElapse,
  randomInput,
  randomLink,
  randomParameters,
} from "./vrrpSamples.ts";

/** Random lives of one router: whatever happens in whatever order, these hold after every step. */

interface Seen {
  readonly before: RouterState;
  readonly after: RouterState;
  readonly input: Input;
  readonly effects: readonly Effect[];
  readonly nowUs: number;
}

function live(check: (seen: Seen) => void): void {
  const link = fc.oneof(fc.constant(LINK_UP), randomLink);
  const events = fc.array(fc.tuple(randomElapse, randomInput), { maxLength: 60 });
  fc.assert(
    fc.property(randomParameters, link, events, (given, facts, drawn) => {
      let state = initialState(given, facts);
      let nowUs = 1_000_000;
      // Most lives begin: a router that never starts shows little.
      const whole: typeof drawn = [[{ kind: "span", us: 0 }, { kind: "start" }], ...drawn];
      for (const [passed, random] of whole) {
        const deadline = nextDeadline(state);
        nowUs =
          passed.kind === "deadline" && deadline !== undefined
            ? Math.max(nowUs, deadline) + passed.us
            : nowUs + passed.us;
        const before = state;
        const input = inputFor(before.parameters, random);
        const result = step(before, input, instantUs(nowUs));
        state = result.state;
        check({ before, after: state, input, effects: result.effects, nowUs });
      }
    }),
    { numRuns: 1500 },
  );
}

const transitions = (effects: readonly Effect[]) =>
  effects.flatMap((effect) => (effect.kind === "transition" ? [effect.transition] : []));

describe("step, over random lives", () => {
  it("every change of state has exactly one record, and the records form a chain", () => {
    live(({ before, after, effects }) => {
      let name = before.role.name;
      for (const transition of transitions(effects)) {
        expect(transition.from).toBe(name);
        if (transition.from === transition.to) expect(transition.to).toBe("FAULT");
        name = transition.to;
      }
      expect(after.role.name).toBe(name);
    });
  });

  it("the state says the reason of its last transition", () => {
    live(({ before, after, effects }) => {
      expect(after.reason).toBe(transitions(effects).at(-1)?.reason ?? before.reason);
    });
  });

  it("FAULT does not follow FAULT for the reason that it has already", () => {
    live(({ before, effects }) => {
      for (const effect of effects) {
        if (effect.kind !== "transition" || effect.transition.from !== "FAULT") continue;
        if (effect.transition.to === "FAULT") expect(effect.transition.reason).not.toBe(before.reason);
      }
    });
  });

  it("a member of a sync group whose own fault comes back before the group's is over has told it already", () => {
    const down = { ...LINK_UP, up: false };
    let state = step(
      initialState({ ...PARAMETERS, inSyncGroup: true }, LINK_UP),
      { kind: "start" },
      instantUs(0),
    ).state;
    const told = [down, LINK_UP, down].map((link, at) => {
      const result = step(state, { kind: "link", link }, instantUs(at + 1));
      state = result.state;
      return result.effects.filter(({ kind }) => kind === "transition").length;
    });
    expect(told).toEqual([1, 0, 0]);
    expect(state.role).toMatchObject({ name: "FAULT", cause: "interfaceDown" });
  });

  it("MASTER and BACKUP only with an interface that counts as usable, with a source, and without a fault of a tracker", () => {
    live(({ after }) => {
      if (after.role.name !== "MASTER" && after.role.name !== "BACKUP") return;
      const { link, tracking, parameters } = after;
      expect(link).toMatchObject({ present: true, sourceAddressMissing: false, noUnicastPeer: false });
      expect(link.up || !parameters.trackPrimary).toBe(true);
      expect(link.primaryAddress).toBeDefined();
      expect(tracking.faults).toEqual([]);
    });
  });

  it("FAULT names what is in the way as long as anything is", () => {
    live(({ after }) => {
      if (after.role.name !== "FAULT") return;
      const { link, tracking, role } = after;
      if (!link.present) expect(role.cause).toBe("interfaceMissing");
      const [fault] = tracking.faults;
      if (
        link.present &&
        link.up &&
        link.primaryAddress !== undefined &&
        !link.sourceAddressMissing &&
        !link.noUnicastPeer
      ) {
        if (fault !== undefined) expect(role.detail).toBe(fault.name);
      }
    });
  });

  it("addresses are added only on the way to MASTER or by a change of configuration, refreshed only behind an advert, removed on every way out", () => {
    live(({ before, after, effects, input }) => {
      const kinds = effects.map((effect) => (effect.kind === "addresses" ? effect.action : effect.kind));
      const [first, last] = [before.role.name, after.role.name];
      if (kinds.includes("add"))
        expect(last === "MASTER" && (first !== "MASTER" || input.kind === "configure")).toBe(true);
      for (const [index, kind] of kinds.entries()) {
        if (kind === "add" || kind === "refresh") expect(kinds[index - 1]).toBe("sendAdvert");
      }
      expect(kinds.includes("remove")).toBe(first === "MASTER" && last !== "MASTER");
    });
  });

  it("adverts are sent by a MASTER with its effective priority, or once behind the removal: priority 0, or the last of one that yields to a higher one", () => {
    live(({ before, after, effects }) => {
      for (const [index, effect] of effects.entries()) {
        if (effect.kind !== "sendAdvert") continue;
        if (after.role.name === "MASTER") {
          expect(effect.priority).toBe(after.tracking.priority);
        } else {
          const yields = before.parameters.higherPrioSendAdvert && after.role.name === "BACKUP";
          expect(effect.priority).toBeOneOf(yields ? [0, before.tracking.priority] : [0]);
          expect(effects[index - 1]).toEqual({ kind: "addresses", action: "remove" });
        }
      }
    });
  });

  it("the effective priority is told when it changes, and the owner's never does", () => {
    live(({ before, after, effects, input }) => {
      const told = effects.flatMap((effect) => (effect.kind === "priorityChanged" ? [effect.priority] : []));
      const changed = before.tracking.priority !== after.tracking.priority && before.role.name !== "INIT";
      expect(told).toEqual(changed ? [after.tracking.priority] : []);
      if (input.kind !== "configure" && before.parameters.priority === 255) expect(after.tracking.priority).toBe(255);
    });
  });

  it("a member of a sync group becomes MASTER only when told, and claims before", () => {
    live(({ before, after, effects, input }) => {
      if (after.role.name !== "MASTER" || before.role.name === "MASTER" || !after.parameters.inSyncGroup) return;
      expect(input).toMatchObject({ kind: "group", say: "becomeMaster" });
      expect(before.role).toMatchObject({ name: "BACKUP", claim: expect.anything() });
      expect(transitions(effects).at(-1)?.reason).toBe("groupMaster");
    });
  });

  it("only members of a sync group claim", () => {
    live(({ after }) => {
      if (after.role.name === "BACKUP" && after.role.claim !== undefined)
        expect(after.parameters.inSyncGroup).toBe(true);
    });
  });

  it("a deadline before its time changes nothing", () => {
    live(({ before }) => {
      const deadline = nextDeadline(before);
      if (deadline === undefined) return;
      const { state, effects } = step(before, { kind: "deadline" }, instantUs(deadline - 1));
      expect(state).toEqual(before);
      expect(effects).toEqual([{ kind: "ignored", input: "deadline", reason: "deadlineNotReached" }]);
    });
  });

  it("a deadline that was reached is moved into the future, or there is none any more", () => {
    live(({ after, input, nowUs }) => {
      if (input.kind !== "deadline") return;
      expect(nextDeadline(after) ?? Number.POSITIVE_INFINITY).toBeGreaterThan(nowUs);
    });
  });

  it("a MASTER that was silent for three intervals sends and refreshes nothing", () => {
    live(({ before, effects, nowUs }) => {
      const { role } = before;
      if (role.name !== "MASTER" || nowUs - role.lastAdvert.at < role.lastAdvert.silenceLimit) return;
      expect(effects[0]).toEqual({ kind: "addresses", action: "remove" });
      expect(effects.some((effect) => effect.kind === "sendAdvert" || effect.kind === "announce")).toBe(false);
    });
  });

  it("an advert promises the silence limit of the configuration that it is sent with", () => {
    live(({ after, effects }) => {
      if (after.role.name !== "MASTER" || !effects.some(({ kind }) => kind === "sendAdvert")) return;
      expect(after.role.lastAdvert.silenceLimit).toBe(silenceLimit(after.parameters));
    });
  });

  it("whoever enters BACKUP listens for a full master-down interval at least", () => {
    live(({ after, effects, input, nowUs }) => {
      if (transitions(effects).at(-1)?.to !== "BACKUP" || input.kind === "advert") return;
      const claims = after.role.name === "BACKUP" && after.role.claim !== undefined;
      expect(nextDeadline(after)).toBeGreaterThanOrEqual(nowUs + ownMasterDownInterval(after));
      if (claims) expect([input.kind, after.parameters.priority]).toEqual(["start", 255]);
    });
  });

  it("nobody becomes MASTER without having listened, but the owner at its start and who is told by its group", () => {
    live(({ before, after, effects, input, nowUs }) => {
      if (transitions(effects).at(-1)?.to !== "MASTER" || input.kind === "group") return;
      if (before.role.name === "BACKUP") expect(nowUs).toBeGreaterThanOrEqual(before.role.masterDownAt);
      else expect([before.role.name, before.parameters.priority, input.kind]).toEqual(["INIT", 255, "start"]);
      expect(after.parameters.inSyncGroup).toBe(false);
    });
  });

  it("after a stop there is nothing left to wait for", () => {
    live(({ after, input }) => {
      if (input.kind === "stop") expect(nextDeadline(after)).toBeUndefined();
    });
  });

  it("the memory of alarms is bounded, whoever is heard", () => {
    let state = step(initialState(PARAMETERS, LINK_UP), { kind: "start" }, instantUs(0)).state;
    let alarms = 0;
    for (let peer = 0; peer < 200; peer++) {
      const advert = heard({
        source: ip(`10.0.3.${peer}`),
        priority: 50,
        advertInterval: milliseconds(2000),
        addresses: [],
      });
      const result = step(state, { kind: "advert", advert }, instantUs(peer));
      state = result.state;
      alarms += result.effects.filter((effect) => effect.kind === "alarm").length;
    }
    expect(alarms).toBe(400);
    expect(state.reported.length).toBeLessThanOrEqual(32);
  });

  it("the memory of addresses put back is bounded", () => {
    live(({ after }) => {
      if (after.role.name === "MASTER") expect(after.role.takenAt.length).toBeLessThanOrEqual(ADDRESSES_TAKEN_MAX);
    });
  });
});
