import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Ip, ip } from "../../src/core/ip.ts";
import { type DurationUs, durationUs, instantUs, seconds } from "../../src/core/units.ts";
import { initialState, nextDeadline, step } from "../../src/vrrp/step.ts";
import { masterDownInterval, silenceLimit } from "../../src/vrrp/timers.ts";
import type { Effect, Input, LinkFacts, RouterParameters, RouterState } from "../../src/vrrp/types.ts";

/** Random lives of one router: whatever happens in whatever order, these hold after every step. */
const own = ip("10.0.2.5");
const address: fc.Arbitrary<Ip> = fc.constantFrom(own, ip("10.0.2.1"), ip("10.0.2.9"), ip("10.0.2.200"));
const interval: fc.Arbitrary<DurationUs> = fc.constantFrom(seconds(1), seconds(2), seconds(10));
const priority = fc.oneof(fc.constantFrom(0, 1, 99, 100, 101, 254, 255), fc.integer({ min: 0, max: 255 }));
const vips = fc.constantFrom([ip("10.0.2.10")], [ip("10.0.2.10"), ip("10.0.2.11")], []);

const link: fc.Arbitrary<LinkFacts> = fc.record({
  present: fc.boolean(),
  up: fc.boolean(),
  primaryAddress: fc.constantFrom(own, ip("10.0.2.9"), undefined),
});

const parameters: fc.Arbitrary<RouterParameters> = fc.record({
  name: fc.constant("p"),
  virtualRouterId: fc.constant(1),
  priority: fc.oneof(fc.constantFrom(1, 100, 254, 255), fc.integer({ min: 1, max: 255 })),
  advertInterval: interval,
  preempt: fc.boolean(),
  addresses: vips,
  garpMasterDelay: fc.constantFrom(seconds(0), seconds(5)),
  garpMasterRepeat: fc.integer({ min: 1, max: 5 }),
  garpMasterRefresh: fc.constantFrom(seconds(0), seconds(7)),
  garpMasterRefreshRepeat: fc.integer({ min: 1, max: 3 }),
});

const input: fc.Arbitrary<Input> = fc.oneof(
  { weight: 2, arbitrary: fc.constant<Input>({ kind: "start" }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("advert" as const),
      advert: fc.record({ source: address, priority, advertInterval: interval, addresses: vips }),
    }),
  },
  { weight: 8, arbitrary: fc.constant<Input>({ kind: "deadline" }) },
  { weight: 2, arbitrary: link.map((facts): Input => ({ kind: "link", link: facts })) },
  {
    weight: 2,
    arbitrary: fc.constantFrom<Input>(
      { kind: "link", link: { present: true, up: true, primaryAddress: own } },
      { kind: "addressesMissing" },
      { kind: "addressesDone", outcome: { ok: true } },
      { kind: "addressesDone", outcome: { ok: false, detail: "ENOBUFS" } },
      { kind: "advertNotSent", detail: "EPERM" },
    ),
  },
  { weight: 1, arbitrary: parameters.map((changed): Input => ({ kind: "configure", parameters: changed })) },
  { weight: 1, arbitrary: fc.constant<Input>({ kind: "stop" }) },
);

/** Time passes by a given span, or exactly to the next deadline, or a little beyond it. */
const elapse = fc.oneof(
  fc.record({ kind: fc.constant("span" as const), us: fc.integer({ min: 0, max: 20_000_000 }) }),
  fc.record({ kind: fc.constant("deadline" as const), us: fc.constantFrom(0, 1, 900, 400_000) }),
);

interface Seen {
  readonly before: RouterState;
  readonly after: RouterState;
  readonly input: Input;
  readonly effects: readonly Effect[];
  readonly nowUs: number;
}

function live(check: (seen: Seen) => void): void {
  fc.assert(
    fc.property(parameters, link, fc.array(fc.tuple(elapse, input), { maxLength: 60 }), (given, facts, events) => {
      let state = initialState(given, facts);
      let nowUs = 1_000_000;
      // Most lives begin: a router that never starts shows little.
      const whole: (typeof events)[number][] = [[{ kind: "span", us: 0 }, { kind: "start" }], ...events];
      for (const [passed, event] of whole) {
        const deadline = nextDeadline(state);
        nowUs =
          passed.kind === "deadline" && deadline !== undefined
            ? Math.max(nowUs, deadline) + passed.us
            : nowUs + passed.us;
        const before = state;
        const result = step(before, event, instantUs(nowUs));
        state = result.state;
        check({ before, after: state, input: event, effects: result.effects, nowUs });
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

  it("MASTER and BACKUP only with an interface that is up and has an address", () => {
    live(({ after }) => {
      if (after.role.name !== "MASTER" && after.role.name !== "BACKUP") return;
      expect(after.link).toMatchObject({ present: true, up: true });
      expect(after.link.primaryAddress).toBeDefined();
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

  it("adverts are sent by a MASTER with its own priority, or once with priority 0 behind the removal", () => {
    live(({ after, effects }) => {
      for (const [index, effect] of effects.entries()) {
        if (effect.kind !== "sendAdvert") continue;
        if (after.role.name === "MASTER") {
          expect(effect.priority).toBe(after.parameters.priority);
        } else {
          expect(effect.priority).toBe(0);
          expect(effects[index - 1]).toEqual({ kind: "addresses", action: "remove" });
        }
      }
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
      if (role.name !== "MASTER" || nowUs - role.lastAdvertAt < silenceLimit(before.parameters)) return;
      expect(effects[0]).toEqual({ kind: "addresses", action: "remove" });
      expect(effects.some((effect) => effect.kind === "sendAdvert" || effect.kind === "announce")).toBe(false);
    });
  });

  it("whoever enters BACKUP listens for a full master-down interval; nobody but the owner becomes MASTER without", () => {
    live(({ before, after, effects, input, nowUs }) => {
      const entered = transitions(effects);
      if (entered.at(-1)?.to === "BACKUP" && input.kind !== "advert") {
        expect(nextDeadline(after)).toBe(nowUs + masterDownInterval(after.parameters));
      }
      if (entered.at(-1)?.to !== "MASTER") return;
      if (before.role.name === "BACKUP") expect(nowUs).toBeGreaterThanOrEqual(before.role.masterDownAt);
      else expect([before.role.name, before.parameters.priority, input.kind]).toEqual(["INIT", 255, "start"]);
    });
  });

  it("after a stop there is nothing left to wait for", () => {
    live(({ after, input }) => {
      if (input.kind === "stop") expect(nextDeadline(after)).toBeUndefined();
    });
  });

  it("the memory of alarms is bounded, whoever is heard", () => {
    const given: RouterParameters = {
      name: "p",
      virtualRouterId: 1,
      priority: 100,
      advertInterval: seconds(1),
      preempt: true,
      addresses: [ip("10.0.2.10")],
      garpMasterDelay: seconds(5),
      garpMasterRepeat: 5,
      garpMasterRefresh: durationUs(0),
      garpMasterRefreshRepeat: 1,
    };
    let state = initialState(given, { present: true, up: true, primaryAddress: own });
    state = step(state, { kind: "start" }, instantUs(0)).state;
    let alarms = 0;
    for (let peer = 0; peer < 200; peer++) {
      const advert = { source: ip(`10.0.3.${peer}`), priority: 50, advertInterval: seconds(2), addresses: [] };
      const result = step(state, { kind: "advert", advert }, instantUs(peer));
      state = result.state;
      alarms += result.effects.filter((effect) => effect.kind === "alarm").length;
    }
    expect(alarms).toBe(400);
    expect(state.reported.length).toBeLessThanOrEqual(32);
  });
});
