import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { instantUs } from "../../src/core/units.ts";
import { Recorder, type Recording, replay, replaySteps } from "../../src/vrrp/recorder.ts";
import { initialState, nextDeadline, step } from "../../src/vrrp/step.ts";
import type { RouterState, Transition } from "../../src/vrrp/types.ts";
import { inputFor, LINK_UP, PARAMETERS, randomElapse, randomInput, randomParameters } from "./vrrpSamples.ts";

describe("the flight recorder", () => {
  it("what is recorded of any life, through a file, gives the same transitions and the same last state", () => {
    const events = fc.array(fc.tuple(randomElapse, randomInput), { minLength: 5, maxLength: 80 });
    fc.assert(
      fc.property(randomParameters, events, fc.integer({ min: 3, max: 100 }), (parameters, drawn, entriesMax) => {
        let state: RouterState = initialState(parameters, LINK_UP);
        const recorder = new Recorder(() => ({ instances: [state], groups: [] }), entriesMax);
        const seen: { atUs: number; transition: Transition }[] = [];
        let nowUs = 0;
        const whole: typeof drawn = [[{ kind: "span", us: 0 }, { kind: "start" }], ...drawn];
        for (const [passed, random] of whole) {
          const deadline = nextDeadline(state);
          nowUs =
            passed.kind === "deadline" && deadline !== undefined
              ? Math.max(nowUs, deadline) + passed.us
              : nowUs + passed.us;
          const input = inputFor(state.parameters, random);
          recorder.addInput("p", input, instantUs(nowUs));
          const result = step(state, input, instantUs(nowUs));
          state = result.state;
          for (const effect of result.effects) {
            if (effect.kind === "transition") seen.push({ atUs: nowUs, transition: effect.transition });
          }
        }
        const recording: Recording = JSON.parse(JSON.stringify(recorder.recording()));
        expect(recording.entries.length).toBeLessThanOrEqual(2 * entriesMax);
        expect(recording.entries.length).toBeGreaterThanOrEqual(Math.min(whole.length, entriesMax));
        const replayed = replay(recording).map(({ atUs, transition }) => ({ atUs, transition }));
        const complete = recording.entries.length === whole.length;
        expect(replayed).toEqual(complete ? seen : seen.slice(seen.length - replayed.length));
        expect(JSON.parse(JSON.stringify(lastOf(recording)))).toEqual(JSON.parse(JSON.stringify(state)));
      }),
      { numRuns: 500 },
    );
  });

  it("keeps two generations, the older one whole", () => {
    const state = initialState(PARAMETERS, LINK_UP);
    const recorder = new Recorder(() => ({ instances: [state], groups: [] }), 10);
    for (let count = 0; count < 35; count++) {
      recorder.add({ kind: "input", atUs: instantUs(count), instance: "p", input: { kind: "deadline" } });
    }
    const kept = recorder.recording().entries.map((entry) => entry.atUs);
    expect(kept).toEqual(Array.from({ length: 15 }, (_, index) => 20 + index));
  });

  it("an instance that the recording does not know is refused by name", () => {
    const recording: Recording = {
      format: "holdfast-recording-2",
      begin: { instances: [], groups: [] },
      entries: [{ kind: "input", atUs: instantUs(0), instance: "p", input: { kind: "start" } }],
    };
    expect(() => replay(recording)).toThrow("p");
  });
});

function lastOf(recording: Recording): RouterState | undefined {
  const steps = replaySteps(recording);
  for (let next = steps.next(); ; next = steps.next()) if (next.done === true) return next.value.instances[0];
}
