import { test } from "vitest";
import { serviceTiming } from "../../src/config/timing.ts";
import { seconds } from "../../src/core/units.ts";
import { HealthRig, httpCheck, type Reply, realServer, virtualServer } from "../sim/healthRig.ts";
import { answer } from "../sim/patroniAnswers.ts";

const GOOD = answer(200, "");

/** Seconds: delay_loop, connect_timeout, retry, delay_before_retry. */
const TIMINGS = [
  [10, 1, 3, 10],
  [10, 1, 3, 9.7],
  [10, 1, 3, 9.3],
  [10, 1, 3, 5],
  [60, 5, 1, 60],
  [1, 1, 1, 1],
] as const;

test.each(TIMINGS)(
  "delay_loop %d, connect_timeout %d, retry %d, delay_before_retry %d: a dead server loses its weight within the time that `holdfast check` tells",
  (delayLoopSec, timeoutSec, retry, beforeRetrySec) => {
    const timing = {
      delayLoop: seconds(delayLoopSec),
      connectTimeout: seconds(timeoutSec),
      retry,
      delayBeforeRetry: seconds(beforeRetrySec),
      warmup: seconds(delayLoopSec),
    };
    const hosts = [3, 4, 5, 6, 7];
    const service = virtualServer(hosts.map((host) => realServer(host, [httpCheck(host, "/health", timing)])));
    const told = serviceTiming(service)?.detection ?? seconds(0);
    for (let seed = 1; seed <= 12; seed++) {
      const silence: Reply = { outcome: { kind: "timedOut", detail: "" }, after: seconds(timeoutSec) };
      let dead = false;
      const rig = new HealthRig({
        seed,
        respond: ({ connectIp }) => (dead && connectIp.endsWith(".3") ? silence : GOOD),
      });
      rig.configure([service]);
      rig.run(seconds(delayLoopSec * 5 + seed * 0.37));
      dead = true;
      rig.runUntil(told, `the weight of a dead server gone (seed ${seed})`, () => rig.weights()[3] === 0);
    }
  },
);
