import { expect, test } from "vitest";
import { parseConfig } from "../../src/config/index.ts";
import type { TrackingConfig } from "../../src/daemon/track/trackers.ts";
import { BAD, OK, world } from "./trackersLab.ts";

/** From the text of a file to what its trackers tell: whether a keyword acts, and not only whether it is read. */

const RESULTS = { "+": OK, "-": BAD };

function tracking(block: string, tracked: string): TrackingConfig {
  const { config, diagnostics } = parseConfig(
    `${block}\nvrrp_instance RW {\ninterface eth0\nvirtual_router_id 1\nvirtual_ipaddress {\n10.0.2.10/24\n}\n${tracked}\n}\n`,
    "t.conf",
  );
  if (config === undefined) throw new Error(diagnostics.map(({ message }) => message).join("\n"));
  return config;
}

/** What is told after each run of a script: `+` it succeeded, `-` it failed; U up, D down. */
async function verdictsOf(lines: string, results: string): Promise<string> {
  const { time, runs, trackers, latest } = world();
  trackers.configure(
    tracking(`vrrp_script check {\nscript "/bin/true"\ninterval 1\n${lines}\n}`, "track_script {\ncheck\n}"),
  );
  let told = "";
  for (const [at, result] of [...results].entries()) {
    runs[at]?.end(RESULTS[result as keyof typeof RESULTS]);
    await time.pass(1_000);
    told += latest() === "check=1" ? "U" : "D";
  }
  return told;
}

test("rise: so many successes in a row bring a script up again", async () => {
  expect(await verdictsOf("rise 3", "+-++-+++")).toBe("UDDDDDDU");
  expect(await verdictsOf("", "+-++-+++")).toBe("UDUUDUUU");
});

const runs = (lines: string): TrackingConfig =>
  tracking(`vrrp_track_process proxy {\nprocess haproxy\n${lines}\n}`, "track_process {\nproxy\n}");

test("delay: a start and an end count when they have lasted so long", async () => {
  const { time, trackers, processes, latest } = world();
  processes("haproxy");
  trackers.configure(runs("delay 2"));
  expect(latest()).toBe("proxy=1");
  processes();
  await time.pass(1_999);
  expect(latest()).toBe("proxy=1");
  await time.pass(1);
  expect(latest()).toBe("proxy=0");
  processes("haproxy");
  await time.pass(1_999);
  expect(latest()).toBe("proxy=0");
  await time.pass(1);
  expect(latest()).toBe("proxy=1");
});

test.each([
  ["param_match partial", "haproxy -f", 1],
  ["param_match partial", "haproxy -f b", 1],
  ["param_match partial", "haproxy -fb", 0],
  ["param_match initial", "haproxy -fb", 1],
  ["", "haproxy -f b", 0],
])("%s: %s", (match, line, value) => {
  const { trackers, processes, latest } = world();
  processes(line);
  trackers.configure(
    tracking(`vrrp_track_process proxy {\nprocess haproxy -f\n${match}\n}`, "track_process {\nproxy\n}"),
  );
  expect(latest()).toBe(`proxy=${value}`);
});
