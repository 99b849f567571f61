import { describe, expect, test } from "vitest";
import { milliseconds, seconds, toMilliseconds, type Us } from "../../src/core/units.ts";
import { HealthRig, httpCheck, realServer, virtualServer } from "../sim/healthRig.ts";
import { answer, fails } from "../sim/patroniAnswers.ts";

const GOOD = answer(200, "");

/** A plain service of so many servers, whose second questions are scattered over the whole interval. */
function scattered(servers: number): ReturnType<typeof virtualServer> {
  const hosts = Array.from({ length: servers }, (_, index) => index + 3);
  return virtualServer(hosts.map((host) => realServer(host, [httpCheck(host, "/health", { warmup: seconds(1) })])));
}

const isThree = ({ connectIp }: { readonly connectIp: string }): boolean => connectIp.endsWith(".3");

/** Server 3 with this timing beside `hosts` whose phases are scattered; after `failsFrom` seconds it refuses, and `restSec` more pass. */
function failing(
  timing: Parameters<typeof httpCheck>[2],
  hosts: readonly number[],
  failsFrom: number,
  restSec: number,
): HealthRig {
  const others = hosts.map((host) => realServer(host, [httpCheck(host, "/health", { warmup: seconds(1) })]));
  const rig = new HealthRig({ respond: () => GOOD });
  rig.configure([virtualServer([realServer(3, [httpCheck(3, "/health", timing)]), ...others])]);
  rig.run(seconds(failsFrom));
  rig.respond = (check) => (isThree(check) ? fails("refused") : GOOD);
  rig.run(seconds(restSec));
  return rig;
}

/** Of what was started from an instant on: the questions of each instant, and the distances between those to each server. */
function askedSince(rig: HealthRig, since: Us): { readonly together: number[]; readonly gapsMs: number[] } {
  const byInstant = new Map<Us, number>();
  const last = new Map<string, Us>();
  const gapsMs: number[] = [];
  for (const { at, spec } of rig.started) {
    const before = last.get(spec.key);
    last.set(spec.key, at);
    if (at < since) continue;
    byInstant.set(at, (byInstant.get(at) ?? 0) + 1);
    if (before !== undefined) gapsMs.push(toMilliseconds((at - before) as ReturnType<typeof seconds>));
  }
  return { together: [...byInstant.values()], gapsMs };
}

describe("a question whose time is near is asked along with one that is due", () => {
  test("so that servers of one interval are asked together after a while, never earlier than 0.9 of it and never later", () => {
    const rig = new HealthRig({ respond: () => GOOD });
    rig.configure([scattered(6)]);
    rig.run(seconds(2));
    expect(Math.max(...askedSince(rig, (rig.now - seconds(1)) as Us).together)).toBeLessThan(6);
    rig.run(seconds(300));
    const since = rig.now;
    rig.run(seconds(20));
    const { together, gapsMs } = askedSince(rig, since);
    expect(together.every((count) => count === 6)).toBe(true);
    expect(together.length).toBeGreaterThanOrEqual(20);
    expect(Math.min(...gapsMs)).toBeGreaterThanOrEqual(899);
    expect(Math.max(...gapsMs)).toBeLessThanOrEqual(1_000);
  });

  test("seven at most along with one, however many there are", () => {
    const rig = new HealthRig({ respond: () => GOOD });
    rig.configure([scattered(200)]);
    rig.run(seconds(3));
    const since = rig.now;
    rig.run(seconds(60));
    const { together, gapsMs } = askedSince(rig, since);
    expect(Math.max(...together)).toBe(8);
    expect(Math.max(...gapsMs)).toBeLessThanOrEqual(1_000);
  });

  test("but not a retry: delay_before_retry is a rest that the server was promised", () => {
    const timing = { delayLoop: seconds(1), delayBeforeRetry: milliseconds(940), retry: 1_000 };
    const rig = failing(timing, [4, 5, 6, 7], 5, 1);
    const since = rig.now;
    rig.run(seconds(60));
    const asked = rig.started.filter(({ at, spec }) => at >= since && isThree(spec.check)).map(({ at }) => at);
    const rests = asked
      .slice(1)
      .map((at, index) => toMilliseconds((at - (asked[index] ?? at)) as ReturnType<typeof seconds>) - 1);
    expect(asked.length).toBeGreaterThan(50);
    expect(Math.min(...rests)).toBeGreaterThanOrEqual(939);
  });

  test("nor with a retry, whose answer is waited for", () => {
    const timing = { delayLoop: seconds(60), delayBeforeRetry: milliseconds(10), retry: 1_000_000 };
    const rig = failing(timing, [4, 5, 6], 58, 3);
    const since = rig.now;
    rig.run(seconds(20));
    const retries = new Set(rig.started.filter(({ spec }) => isThree(spec.check)).map(({ at }) => at));
    expect(retries.size).toBeGreaterThan(500);
    const asked = rig.started.filter(({ at, spec }) => at >= since && !isThree(spec.check));
    expect(asked.filter(({ at }) => retries.has(at))).toEqual([]);
  });

  test("nor before the rest of a node that needs long for its answers is over", () => {
    const rig = new HealthRig({
      respond: (check) => ({ ...GOOD, after: milliseconds(isThree(check) ? 450 : 5) }),
    });
    const often = { delayLoop: milliseconds(500) };
    const others = [4, 5, 6, 7, 8].map((host) =>
      realServer(host, [httpCheck(host, "/health", { warmup: seconds(1) })]),
    );
    rig.configure([virtualServer([realServer(3, [httpCheck(3, "/health", often)]), ...others])]);
    rig.run(seconds(120));
    const asked = rig.started.filter(({ spec }) => isThree(spec.check)).map(({ at }) => at);
    const restsMs = asked.slice(1).map((at, index) => (at - (asked[index] ?? at)) / 1_000 - 450);
    expect(asked.length).toBeGreaterThan(100);
    expect(Math.min(...restsMs)).toBeGreaterThanOrEqual(250);
  });
});
