import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import { parseConfig } from "../../src/config/index.ts";
import type { Clock, Logger, Timers } from "../../src/core/interfaces.ts";
import { after, instantUs, seconds, type Us } from "../../src/core/units.ts";
import { EventLog } from "../../src/daemon/events.ts";
import { createHealthDriver, type HealthDriver, type ProbeRunner } from "../../src/daemon/healthDriver.ts";
import { Heap } from "../../src/health/heap.ts";
import { healthMachine } from "../../src/health/machine.ts";
import type { HttpAnswer, ProbeOutcome } from "../../src/health/types.ts";
import { printFigures, rounds } from "../bench/report.ts";
import { checkedServices } from "../lab/checkedServices.ts";
import { Dice } from "./dice.ts";

/** A figure over the whole list is asked for by `npm run soak`; a leak of every check shows with a tenth of it. */
const SERVERS = rounds(200, 2_000);
const DELAY_LOOP_SEC = 1;
/** Up to then structures grow to their size: rings fill up, code is compiled. */
const SETTLED_MINUTES = 10;
const LOOKS_MINUTES = [SETTLED_MINUTES, 20, 30, 40, 50, 60];
/** A byte kept of each check would be 0.7 MB an hour with 200 servers; heaps breathe by some hundred kilobytes. */
const GROWTH_MB_MAX = 0.5;
/** So often a server changes between being up and down, on the average. */
const CHANGES_EVERY_CHECKS = 2_000;

const ignored = (): void => undefined;
const silent: Logger = { error: ignored, warn: ignored, info: ignored, debug: ignored, child: () => silent };

/** Virtual time for one driver: its one deadline, and answers that are on their way. */
class VirtualHour implements Clock, Timers {
  #now = 1_000_000_000;
  #armed: { readonly at: Us; readonly call: () => void } | undefined;
  readonly #answers = new Heap<{ readonly at: Us; readonly call: () => void }>();

  nowUs(): Us {
    return instantUs(this.#now);
  }

  at(instant: Us, call: () => void): () => void {
    const armed = { at: instant, call };
    this.#armed = armed;
    return () => {
      if (this.#armed === armed) this.#armed = undefined;
    };
  }

  answer(at: Us, call: () => void): void {
    this.#answers.push({ at, call });
  }

  runUntil(end: Us): void {
    for (;;) {
      const answer = this.#answers.top();
      const armed = this.#armed;
      const isAnswer = answer !== undefined && (armed === undefined || answer.at <= armed.at);
      const next = isAnswer ? answer : armed;
      if (next === undefined || next.at > end) break;
      this.#now = Math.max(this.#now, next.at);
      if (isAnswer) this.#answers.pop();
      else this.#armed = undefined;
      next.call();
    }
    this.#now = end;
  }
}

/** Servers that answer within milliseconds and go up and down now and then. */
function fakeServers(time: VirtualHour, dice: Dice): ProbeRunner & { readonly asked: () => number } {
  const down = new Set<string>();
  let asked = 0;
  return {
    asked: () => asked,
    close: ignored,
    run: ({ key }, done) => {
      asked += 1;
      if (dice.chance(1 / CHANGES_EVERY_CHECKS) && !down.delete(key)) down.add(key);
      const isDown = down.has(key);
      // A new body each time, as from a socket.
      const body = `answer ${asked}`;
      const answer: HttpAnswer = { path: "/", status: isDown ? 503 : 200, body, bodyTruncated: false };
      const outcome: ProbeOutcome = { kind: "answered", answers: [answer] };
      time.answer(after(time.nowUs(), dice.span(0.2, 5)), () => done(outcome));
    },
  };
}

function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  // What a first one makes unreachable by finalizers goes with the second.
  collect();
  collect();
}

/** In MB, after everything that nobody holds is gone. */
function heapMb(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed / 2 ** 20;
}

describe("an hour of checks in virtual time", () => {
  test(`${SERVERS} servers, one check a second each: the heap does not grow`, { timeout: 600_000 }, () => {
    const { config, diagnostics } = parseConfig(checkedServices(SERVERS, DELAY_LOOP_SEC), "hour.conf");
    if (config === undefined) throw new Error(JSON.stringify(diagnostics));
    const time = new VirtualHour();
    const probes = fakeServers(time, new Dice(1));
    const events = new EventLog({ logger: silent, wallMs: () => time.nowUs() / 1_000 });
    let changes = 0;
    const health: HealthDriver = createHealthDriver(
      { seed: 1 },
      {
        machine: healthMachine,
        probes,
        clock: time,
        timers: time,
        listener: {
          onStep: (told, perform) =>
            events.explained(() => {
              for (const event of told) events.record("info", event.kind, event.kind, { ...event });
            }, perform),
          onTableChanged: () => {
            changes += 1;
            expect(health.desired()).toHaveLength(config.virtualServers.length);
          },
          onFirstVerdicts: ignored,
          rows: () => undefined,
        },
      },
    );
    health.configure(config.virtualServers, new Map());
    const begunAt = time.nowUs();
    const heaps = LOOKS_MINUTES.map((minute) => {
      time.runUntil(after(begunAt, seconds(minute * 60)));
      return heapMb();
    });
    health.stop();
    const [settled = Number.NaN] = heaps;
    const growth = (heaps.at(-1) ?? Number.NaN) - settled;
    printFigures(
      `an hour of simulated checks, ${SERVERS} servers: ${probes.asked()} checks, ${changes} changes of the table`,
      [
        ...heaps.map((value, index) => ({ what: `heap after ${LOOKS_MINUTES[index]} minutes`, value, unit: "MB" })),
        { what: `growth from minute ${SETTLED_MINUTES} on`, value: growth, unit: "MB", goalAtMost: GROWTH_MB_MAX },
      ],
    );
    // A check a second, at most a tenth earlier.
    expect(probes.asked()).toBeGreaterThan(SERVERS * 3_500);
    expect(changes).toBeGreaterThan(100);
    expect(growth).toBeLessThan(GROWTH_MB_MAX * 4);
  });
});
