import { expect, test } from "vitest";
import type { Logger } from "../../src/core/interfaces.ts";
import { EventLog } from "../../src/daemon/events.ts";
import { createHealthDriver } from "../../src/daemon/healthDriver.ts";
import type { HealthEffect, HealthMachine } from "../../src/health/types.ts";
import { VirtualTime } from "../lab/virtualTime.ts";

/** A log that only notes the order in which things happened. */
function noting(order: string[]): EventLog {
  const line = (_: object, message: string): void => void order.push(message);
  const logger: Logger = { error: line, warn: line, info: line, debug: line, child: () => logger };
  return new EventLog({ logger, wallMs: () => 0 });
}

test("what happens in a step is written after it, in order; known at once; nested steps end with the outermost", () => {
  const order: string[] = [];
  const events = noting(order);
  events.writtenAfter(() => {
    events.record("info", "a", "why", {});
    events.writtenAfter(() => events.record("info", "b", "what", {}));
    order.push("done");
    expect(events.latest().map(({ message }) => message)).toEqual(["why", "what"]);
  });
  events.record("info", "c", "later", {});
  expect(order).toEqual(["done", "why", "what", "later"]);
});

test("a step that throws loses no line", () => {
  const order: string[] = [];
  const events = noting(order);
  const failing = (): void => {
    events.record("error", "a", "before the failure", {});
    throw new Error("the step failed");
  };
  expect(() => events.writtenAfter(failing)).toThrow("the step failed");
  events.record("info", "b", "after it", {});
  expect(order).toEqual(["before the failure", "after it"]);
});

test("a step of the checks writes the table, then the log, then asks its next probes", () => {
  const order: string[] = [];
  const events = noting(order);
  const effects = [
    { kind: "startProbe", spec: { key: "probe" } },
    { kind: "event", event: { kind: "hunt" } },
    { kind: "tableChanged" },
  ] as unknown as HealthEffect[];
  const machine: HealthMachine<undefined> = {
    initial: () => undefined,
    step: () => ({ state: undefined, effects }),
    nextDeadline: () => undefined,
    countsCluster: () => true,
    desired: () => [],
    services: () => [],
    view: () => [],
  };
  const time = new VirtualTime();
  const driver = createHealthDriver(
    { seed: 1 },
    {
      machine,
      probes: { run: () => void order.push("probe"), close: () => undefined },
      ...{ clock: time, timers: time },
      listener: {
        onStep: (perform) => events.writtenAfter(perform),
        onEvent: () => events.record("info", "hunt", "why", {}),
        onTableChanged: () => {
          order.push("table");
          events.record("info", "programmed", "what", {});
        },
        onFirstVerdicts: () => undefined,
        rows: () => undefined,
      },
    },
  );
  driver.configure([], new Map());
  expect(order).toEqual(["table", "why", "what", "probe"]);
});
