import fc from "fast-check";
import { expect, it } from "vitest";
import { EventQueue } from "../sim/vrrp/eventQueue.ts";

it("gives events by instant, those of one instant in the order in which they came", () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.nat(20), fc.constant("pop" as const)), { maxLength: 3000 }), (script) => {
      const queue = new EventQueue();
      const model: { at: number; order: number }[] = [];
      const popped: { at: number; order: number }[] = [];
      const pop = (): void => {
        model.sort((a, b) => a.at - b.at || a.order - b.order);
        const expected = model.shift();
        if (expected === undefined) return;
        expect(queue.nextAt).toBe(expected.at);
        queue.pop().run();
        expect(popped.at(-1)).toEqual(expected);
      };
      for (const [order, word] of script.entries()) {
        if (word === "pop") {
          pop();
          continue;
        }
        const event = { at: word, order };
        model.push(event);
        queue.push(word, { run: () => popped.push(event) });
      }
      while (model.length > 0) pop();
      expect(queue.size).toBe(0);
    }),
    { numRuns: 200 },
  );
});
