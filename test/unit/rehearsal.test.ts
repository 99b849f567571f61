import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseConfig } from "../../src/config/index.ts";
import { playBetweenTimes, rehearsal } from "../../src/daemon/rehearsal.ts";
import { healthMachine } from "../../src/health/machine.ts";
import { projectRoot } from "../lab/root.ts";

const ARTICLE = readFileSync(join(projectRoot, "test/lab/article/kad1.conf"), "utf8");

/** How many switches of this configuration's exclusive service come to pass. */
function played(text: string): number {
  const { config, diagnostics } = parseConfig(text, "test.conf");
  if (config === undefined) throw new Error(JSON.stringify(diagnostics));
  let count: number | undefined;
  const story = rehearsal(healthMachine, config.virtualServers);
  for (let step = story.next(); count === undefined; step = story.next()) if (step.done) count = step.value;
  return count;
}

const service = (checkOf: (server: number) => string): string =>
  `virtual_server 10.0.2.10 5432 {
     protocol TCP
     ${[1, 2].map((server) => `real_server 10.0.2.${server} 5432 { weight 1\n ${checkOf(server)} }`).join("\n")}
   }`;

describe("the rehearsal of a switch", () => {
  it("plays every switch of the article's write service to its end", () => {
    expect(played(ARTICLE)).toBe(3);
  });

  it("plays a service with Patroni's own checker", () => {
    expect(played(service(() => "patroni { role primary }"))).toBe(3);
  });

  it("leaves services alone that are not exclusive, or whose checks nobody can answer for", () => {
    expect(played(service(() => "TCP_CHECK { connect_port 5432 }"))).toBe(0);
    expect(played(service(() => "HTTP_GET { url { path /primary } }\n MISC_CHECK { misc_path /bin/true }"))).toBe(0);
  });

  it("takes one step at each of its turns", () => {
    const turns: (() => void)[] = [];
    let steps = 0;
    function* story(): Generator<void, number> {
      for (; steps < 3; steps++) yield;
      return steps;
    }
    playBetweenTimes(
      story(),
      (call) => turns.push(call),
      (error) => {
        throw error;
      },
    );
    while (turns.length > 0) {
      expect(turns).toHaveLength(1);
      turns.shift()?.();
    }
    expect(steps).toBe(3);
  });

  it("ends alone when it fails", () => {
    const failures: unknown[] = [];
    // biome-ignore lint/correctness/useYield: it fails before its first step is over
    function* story(): Generator<void, number> {
      throw new Error("no");
    }
    playBetweenTimes(
      story(),
      (call) => call(),
      (error) => failures.push(error),
    );
    expect(failures).toEqual([new Error("no")]);
  });
});
