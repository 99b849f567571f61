import { expect, test } from "vitest";
import type { Logger } from "../../src/core/interfaces.ts";
import { EventLog } from "../../src/daemon/events.ts";
import { createHealthDriver } from "../../src/daemon/healthDriver.ts";
import type { HealthEffect, HealthMachine } from "../../src/health/types.ts";
import { VirtualTime } from "../lab/virtualTime.ts";

/** A log that only notes the order in which things happened. */
function noting(order: string[], wallMs = (): number => 0): EventLog {
  const line = (_: object, message: string): void => void order.push(message);
  const logger: Logger = { error: line, warn: line, info: line, debug: line, child: () => logger };
  return new EventLog({ logger, wallMs });
}

test("why stands before what was done meanwhile, and keeps nothing waiting; nested steps are told with the outermost", () => {
  const order: string[] = [];
  const events = noting(order);
  const say = (message: string) => (): void => events.record("info", "a", message, {});
  events.explained(say("why"), () => {
    say("what")();
    events.explained(say("why of the inner"), say("what of the inner"));
    order.push("done");
  });
  say("later")();
  const told = ["why", "what", "why of the inner", "what of the inner", "later"];
  expect(order).toEqual(["done", ...told]);
  expect(events.latest().map(({ message, sequence }) => [sequence, message])).toEqual(
    told.map((message, index) => [index + 1, message]),
  );
});

test("a reason has the time at which the work began", () => {
  let nowMs = 1_000;
  const events = noting([], () => nowMs);
  const say = (message: string) => (): void => events.record("info", "a", message, {});
  events.explained(say("why"), () => {
    nowMs += 1;
    events.explained(say("why of the inner"), () => {
      nowMs += 1;
      say("what of the inner")();
    });
    nowMs += 40;
  });
  say("later")();
  expect(events.latest().map(({ atMs }) => atMs)).toEqual([1_000, 1_001, 1_002, 1_042]);
});

test("a reason that throws loses no line of what was done", () => {
  const order: string[] = [];
  const events = noting(order);
  const why = (): void => {
    throw new Error("no words for it");
  };
  expect(() => events.explained(why, () => events.record("info", "a", "what", {}))).toThrow("no words for it");
  events.record("info", "b", "after it", {});
  expect(order).toEqual(["what", "after it"]);
});

test("a step that throws loses no line", () => {
  const order: string[] = [];
  const events = noting(order);
  const failing = (): void => {
    events.record("error", "a", "before the failure", {});
    throw new Error("the step failed");
  };
  expect(() => events.explained(() => events.record("info", "a", "why", {}), failing)).toThrow("the step failed");
  events.record("info", "b", "after it", {});
  expect(order).toEqual(["why", "before the failure", "after it"]);
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
        onStep: (told, perform) =>
          events.explained(() => {
            for (const { kind } of told) events.record("info", kind, "why", {});
          }, perform),
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
