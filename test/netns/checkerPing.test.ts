import { afterAll, beforeAll, expect, test } from "vitest";
import { ip } from "../../src/core/ip.ts";
import type { ProbeOutcome } from "../../src/health/types.ts";
import { loadAddon } from "../../src/io/addon.ts";
import { type Checkers, createCheckers } from "../../src/io/checkers/index.ts";
import { requires } from "../lab/requires.ts";
import { noScripts, probeWith, timing } from "../unit/checkersRig.ts";

/** PING_CHECK by raw sockets, over the loopback. */
requires("root")("PING_CHECK", () => {
  let checkers: Checkers;
  beforeAll(() => {
    checkers = createCheckers({ addon: loadAddon, scripts: noScripts });
  });
  afterAll(() => checkers.close());

  const ping = (address: string, timeoutMs = 5_000): Promise<ProbeOutcome> =>
    probeWith(checkers, { kind: "PING_CHECK", connectIp: ip(address), connectPort: 0, timing: timing(timeoutMs) });

  test.each(["127.0.0.9", "::1"])("%s answers", async (address) => {
    expect(await ping(address)).toEqual({ kind: "echoed" });
  });

  test("many at a time, each hears its own reply", async () => {
    const outcomes = await Promise.all(Array.from({ length: 50 }, (_, index) => ping(`127.0.1.${index + 1}`)));
    expect(outcomes).toEqual(Array.from({ length: 50 }, () => ({ kind: "echoed" })));
  });

  test("an address that nobody has: no answer, or an ICMP error", async () => {
    // TEST-NET-3 (RFC 5737): routed nowhere.
    expect(["timedOut", "unreachable", "refused"]).toContain((await ping("203.0.113.9", 300)).kind);
  });
});
