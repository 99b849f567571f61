import { describe, expect, test } from "vitest";
import type { CheckConfig } from "../../src/config/check.types.ts";
import type { VirtualServerConfig } from "../../src/config/types.ts";
import { ip } from "../../src/core/ip.ts";
import { milliseconds, seconds } from "../../src/core/units.ts";
import { probeKey } from "../../src/health/configure.ts";
import {
  HealthRig,
  httpCheck,
  patroniCheck,
  type Reply,
  realServer,
  targetAt,
  tcpCheck,
  virtualServer,
} from "../sim/healthRig.ts";
import { answer, type BodyFields, fails, patroniBody } from "../sim/patroniAnswers.ts";

/** The native checker in the machine: shared probes, lag across members, what is open. */

const MB = 2 ** 20;
const HERE = 100 * MB;
const HOSTS = [3, 4, 5];
const server = (host: number): string => `10.0.2.${host}:5432`;
const says = (status: number, fields: BodyFields, after = milliseconds(2)): Reply =>
  answer(status, patroniBody({ position: HERE, ...fields }), "/leader", after);
const leads = (fields: BodyFields = {}, after = milliseconds(2)): Reply => says(200, fields, after);
const follows = (fields: BodyFields = {}, after = milliseconds(2)): Reply =>
  says(503, { role: "replica", ...fields }, after);

type Nodes = Record<number, Reply | undefined>;

const service = (
  checksOf: (host: number) => readonly CheckConfig[],
  change: Partial<VirtualServerConfig> = {},
): VirtualServerConfig =>
  virtualServer(
    HOSTS.map((host) => realServer(host, checksOf(host))),
    change,
  );
const writers = (change: Partial<VirtualServerConfig> = {}) =>
  service((host) => [patroniCheck(host, "primary")], { exclusive: "detected", ...change });
const readers = (
  change: Parameters<typeof patroniCheck>[2] = {},
  timing: Parameters<typeof patroniCheck>[3] = {},
): VirtualServerConfig => service((host) => [patroniCheck(host, "replica", change, timing)], targetAt("10.0.2.11"));

function rigOf(nodes: Nodes, configs: readonly VirtualServerConfig[], existing = new Map()): HealthRig {
  const rig = new HealthRig({ respond: (check) => nodes[Number(check.connectIp.split(".").at(-1))] });
  rig.configure(configs, existing);
  return rig;
}
const settledNodes = (): Nodes => ({ 3: leads(), 4: follows(), 5: follows() });
const reasonOf = (rig: HealthRig, host: number, index = 0): string | undefined =>
  rig.view()[index]?.servers.find((each) => each.server === server(host))?.reason;

describe("one probe a node", () => {
  test("serves every service, role and limit; each service gets its own verdicts of it", () => {
    const any = service((host) => [patroniCheck(host, "any")], targetAt("10.0.2.12"));
    const rig = rigOf(settledNodes(), [writers(), readers({ maxLagBytes: MB, unknownHold: seconds(5) }), any]);
    expect(rig.started.map(({ spec }) => spec.check.connectIp)).toEqual(HOSTS.map((host) => `10.0.2.${host}`));
    rig.run(milliseconds(900));
    expect(rig.weights(0)).toEqual({ 3: 50, 4: 0, 5: 0 });
    expect(rig.weights(1)).toEqual({ 3: 0, 4: 50, 5: 50 });
    expect(rig.weights(2)).toEqual({ 3: 50, 4: 50, 5: 50 });
    // Watched every 200 ms for the writers; nobody else adds a question.
    expect(rig.askedTimes(3).length).toBeLessThanOrEqual(6);
    expect(rig.askedTimes(4)).toHaveLength(1);
  });

  test("differs by what is asked and how, and by nothing that the answer is judged by", () => {
    const base = patroniCheck(3, "primary");
    const same = patroniCheck(3, "replica", { maxLagBytes: 1, respectsNoLoadBalance: false, unknownHold: seconds(9) });
    expect(probeKey(same)).toBe(probeKey(base));
    const tls = { caFile: "/ca", serverName: undefined, certificateFile: undefined, keyFile: undefined };
    const others = [
      patroniCheck(4, "primary"),
      patroniCheck(3, "primary", { connectPort: 8009 }),
      patroniCheck(3, "primary", { tls }),
      patroniCheck(3, "primary", { credentials: { user: "u", password: "p" } }),
      patroniCheck(3, "primary", {}, { connectTimeout: seconds(3) }),
    ];
    expect(new Set([base, ...others].map(probeKey)).size).toBe(others.length + 1);
  });

  test("a reload to another role asks again and does not take the old role's verdict for its own", () => {
    const rig = rigOf(settledNodes(), [readers()]);
    rig.run(milliseconds(500));
    expect(rig.weights()).toEqual({ 3: 0, 4: 50, 5: 50 });
    rig.configure([service((host) => [patroniCheck(host, "any")], targetAt("10.0.2.11"))]);
    expect(rig.weights()).toEqual({ 3: 0, 4: 50, 5: 50 });
    rig.run(milliseconds(5));
    expect(rig.weights()).toEqual({ 3: 50, 4: 50, 5: 50 });
  });
});

describe("an exclusive service by role primary", () => {
  test("follows a switchover: lowered on 503, raised only on a confirmed answer", () => {
    const nodes = settledNodes();
    const rig = rigOf(nodes, [writers()]);
    rig.run(seconds(3));
    nodes[3] = leads({ state: "stopping" });
    rig.run(seconds(1));
    expect(rig.weights()).toEqual({ 3: 50, 4: 0, 5: 0 });
    nodes[3] = follows({ state: "stopping" });
    rig.runUntil(milliseconds(210), "3 has no weight", () => rig.weights()[3] === 0);
    nodes[4] = leads({ role: "replica" });
    rig.run(seconds(1));
    expect(rig.weights()).toEqual({ 3: 0, 4: 0, 5: 0 });
    nodes[4] = leads({ timeline: 6 });
    const took = rig.runUntil(milliseconds(100), "4 has weight", () => rig.weights()[4] === 50);
    expect(took).toBeLessThanOrEqual(milliseconds(30));
    expect(rig.eventsOf("conflict")).toEqual([]);
  });

  test("a silent holder is held while its service port answers, as with HTTP_GET", () => {
    const nodes = settledNodes();
    const rig = rigOf(nodes, [writers()]);
    rig.run(seconds(3));
    const others = rig.respond;
    rig.respond = (check, now) =>
      check.kind === "TCP_CHECK" ? { outcome: { kind: "connected" }, after: milliseconds(1) } : others(check, now);
    nodes[3] = fails("timedOut", seconds(1));
    rig.run(seconds(25));
    expect(rig.weights()).toEqual({ 3: 50, 4: 0, 5: 0 });
    nodes[4] = leads({ timeline: 6 });
    rig.runUntil(seconds(2), "4 has weight", () => rig.weights()[4] === 50);
  });

  test.each([401, 500, 502])("HTTP %i is not Patroni's: no claim, and silence, which has its retries", (status) => {
    const nodes = settledNodes();
    const rig = rigOf(nodes, [writers({ roleHold: seconds(0) })]);
    rig.run(seconds(3));
    nodes[3] = answer(status, "<html>", "/leader");
    rig.run(milliseconds(900));
    expect(rig.weights()).toEqual({ 3: 50, 4: 0, 5: 0 });
    expect(reasonOf(rig, 3)).toBe(`HTTP ${status} from /leader, which is no answer of Patroni's (1 of 2)`);
    rig.run(milliseconds(400));
    expect(rig.weights()[3]).toBe(0);
    nodes[3] = leads();
    rig.runUntil(milliseconds(100), "3 has weight again", () => rig.weights()[3] === 50);
  });

  test("and a holder that it stands for is held while its service port answers", () => {
    const nodes = settledNodes();
    const rig = rigOf(nodes, [writers()]);
    rig.run(seconds(3));
    const others = rig.respond;
    rig.respond = (check, now) =>
      check.kind === "TCP_CHECK" ? { outcome: { kind: "connected" }, after: milliseconds(1) } : others(check, now);
    nodes[3] = answer(502, "<html>", "/leader");
    rig.run(seconds(25));
    expect(rig.weights()).toEqual({ 3: 50, 4: 0, 5: 0 });
    rig.run(seconds(7));
    expect(rig.weights()[3]).toBe(0);
  });
});

describe("lag", () => {
  const limited = (change: Parameters<typeof patroniCheck>[2] = {}) => readers({ maxLagBytes: MB, ...change });

  test("is judged against the leader of the same database system, also when another service asks it", () => {
    const nodes: Nodes = { ...settledNodes(), 5: follows({ position: HERE - 2 * MB }) };
    const only = { ...limited(), realServers: limited().realServers.slice(1) };
    const rig = rigOf(nodes, [only, writers()]);
    rig.run(milliseconds(500));
    expect(rig.weights(0)).toEqual({ 4: 50, 5: 0 });
    expect(rig.view()[0]?.servers.map(({ lagBytes }) => lagBytes)).toEqual([0, 2 * MB]);
    expect(rig.view()[1]?.servers[0]?.lagBytes).toBeUndefined();
    nodes[5] = follows({ position: HERE - MB });
    rig.run(seconds(1));
    expect(rig.weights(0)).toEqual({ 4: 50, 5: 50 });
  });

  test("a leader of another system is none, and an HTTP_GET of the leader tells its position too", () => {
    const nodes: Nodes = { ...settledNodes(), 3: leads({ system: "42" }) };
    const rig = rigOf(nodes, [limited()]);
    rig.run(seconds(3));
    expect(rig.weights()).toEqual({ 3: 0, 4: 0, 5: 0 });
    expect(reasonOf(rig, 4)).toBe("lag unknown: no leader tells a position");
    const byHttp = service((host) => [host === 3 ? httpCheck(3, "/primary") : tcpCheck(host)], targetAt("10.0.2.12"));
    const other = rigOf({ 3: answer(200, patroniBody({ position: HERE })), 4: follows(), 5: follows() }, [
      { ...limited(), realServers: limited().realServers.slice(1) },
      byHttp,
    ]);
    other.run(seconds(2));
    expect(other.weights()).toEqual({ 4: 50, 5: 50 });
  });

  test("at the start it waits for the leader's answer: no verdict is told before it", () => {
    const nodes = { 3: leads({}, milliseconds(400)), 4: follows(), 5: follows() };
    const rig = rigOf(nodes, [limited()]);
    rig.run(milliseconds(399));
    expect(rig.view()[0]?.servers.map(({ verdict }) => verdict)).toEqual(["unknown", "unknown", "unknown"]);
    rig.run(milliseconds(2));
    expect(rig.weights()).toEqual({ 3: 0, 4: 50, 5: 50 });
    expect(rig.eventsOf("verdict").filter(({ server: each }) => each !== server(3))).toMatchObject([
      { from: "unknown", to: "up" },
      { from: "unknown", to: "up" },
    ]);
  });

  test("without a leader nothing is raised when the time for first answers is over", () => {
    const rig = rigOf({ 3: undefined, 4: follows(), 5: follows() }, [limited()]);
    rig.run(milliseconds(1_499));
    expect(rig.view()[0]?.servers[1]?.verdict).toBe("unknown");
    rig.run(milliseconds(2));
    expect(rig.view()[0]?.servers[1]?.verdict).toBe("down");
    expect(rig.weights()).toEqual({ 3: 0, 4: 0, 5: 0 });
  });
});

describe("what is open", () => {
  const open = (hold: number): { rig: HealthRig; nodes: Nodes } => {
    const nodes = settledNodes();
    const rig = rigOf(nodes, [readers({ maxLagBytes: MB, unknownHold: seconds(hold) })]);
    rig.run(seconds(3));
    expect(rig.weights()).toEqual({ 3: 0, 4: 50, 5: 50 });
    // The leader is gone and nobody has taken its place: no lag can be told.
    nodes[3] = fails("refused");
    return { rig, nodes };
  };

  test("hold keeps who is up for its time, then drops; the status tells both", () => {
    const { rig } = open(10);
    rig.run(seconds(9));
    expect(rig.weights()).toEqual({ 3: 0, 4: 50, 5: 50 });
    expect(reasonOf(rig, 4)).toBe("lag unknown: no leader tells a position; kept for 10 s since then");
    rig.run(seconds(4));
    expect(rig.weights()).toEqual({ 3: 0, 4: 0, 5: 0 });
    expect(reasonOf(rig, 4)).toBe("lag unknown: no leader tells a position");
  });

  test("a leader that comes within the hold ends it, and the next one has its whole time", () => {
    const { rig, nodes } = open(10);
    rig.run(seconds(8));
    nodes[5] = leads({ timeline: 6, position: HERE });
    nodes[4] = follows({ timeline: 6 });
    rig.run(seconds(3));
    expect(rig.weights()).toEqual({ 3: 0, 4: 50, 5: 0 });
    nodes[5] = fails("refused");
    rig.run(seconds(9));
    expect(rig.weights()[4]).toBe(50);
  });

  test("drop drops at the next answer", () => {
    const { rig } = open(0);
    rig.run(seconds(4));
    expect(rig.weights()).toEqual({ 3: 0, 4: 0, 5: 0 });
  });

  test("silence in between does not begin the hold anew", () => {
    const { rig, nodes } = open(10);
    rig.runUntil(seconds(2), "open", () => reasonOf(rig, 4)?.startsWith("lag unknown") === true);
    for (let round = 0; round < 4; round++) {
      nodes[4] = follows();
      rig.run(milliseconds(1_200));
      nodes[4] = fails("reset");
      rig.run(milliseconds(900));
      expect(rig.weights()[4]).toBe(50);
    }
    nodes[4] = follows();
    rig.run(seconds(4));
    expect(rig.weights()[4]).toBe(0);
  });

  test("a query of Patroni's that fails is open too, and a clear no acts at once", () => {
    const nodes = settledNodes();
    const rig = rigOf(nodes, [readers()]);
    rig.run(seconds(3));
    nodes[4] = follows({ state: "unknown" });
    nodes[5] = follows({ state: "stopping" });
    rig.run(seconds(2));
    expect(rig.weights()).toEqual({ 3: 0, 4: 50, 5: 0 });
  });
});

describe("fallback", () => {
  const TIER = { fallbackAfter: seconds(2) };
  const tiers = (
    change: Partial<VirtualServerConfig> = {},
    more: (host: number) => readonly CheckConfig[] = () => [],
  ) => {
    const servers = HOSTS.map((host) => ({
      ...realServer(host, [patroniCheck(host, "replica"), ...more(host)]),
      fallback: patroniCheck(host, "primary"),
    }));
    return virtualServer(servers, { ...TIER, ...change });
  };
  const gone = (nodes: Nodes): void =>
    void Object.assign(nodes, { 4: fails("refused"), 5: follows({ state: "stopping" }) });

  test("the primary gets the reads when no replica was left for the time, and only until one is back", () => {
    const nodes = settledNodes();
    const rig = rigOf(nodes, [tiers()]);
    rig.run(seconds(3));
    expect(rig.weights()).toEqual({ 3: 0, 4: 50, 5: 50 });
    gone(nodes);
    rig.runUntil(seconds(4), "no replica has weight", () => rig.weights()[4] === 0 && rig.weights()[5] === 0);
    expect(rig.weights()).toEqual({ 3: 0, 4: 0, 5: 0 });
    const took = rig.runUntil(seconds(3), "3 has weight", () => rig.weights()[3] === 50);
    expect(took).toBeGreaterThanOrEqual(milliseconds(1_990));
    expect(took).toBeLessThanOrEqual(milliseconds(2_010));
    expect(rig.view()[0]).toMatchObject({ fallback: true });
    expect(reasonOf(rig, 3)).toBe("role primary; serves as fallback: leader key, role primary");
    nodes[5] = follows();
    rig.runUntil(milliseconds(1_010), "5 has weight", () => rig.weights()[5] === 50);
    expect(rig.weights()).toEqual({ 3: 0, 4: 0, 5: 50 });
    expect(rig.eventsOf("fallback").map(({ phase, reason }) => `${phase}: ${reason}`)).toEqual([
      "began: no server of the first tier has weight",
      `ended: ${server(5)} is up`,
    ]);
    // No further question for it, and one row a server.
    expect(new Set(rig.started.map(({ spec }) => spec.key)).size).toBe(3);
    expect(rig.desired()[0]?.destinations).toHaveLength(3);
  });

  test("ends where an answer on `/` makes the service exclusive: never two servers with weight", () => {
    let scoped = false;
    const both = HOSTS.map((host) => ({
      ...realServer(host, [patroniCheck(host, "replica"), httpCheck(host, "/")]),
      fallback: patroniCheck(host, "any"),
    }));
    const rig = new HealthRig({
      respond: (check) => {
        if (check.kind === "patroni") return follows({ state: "running", more: { tags: { noloadbalance: true } } });
        return answer(200, scoped ? patroniBody({}) : "<html>", "/");
      },
    });
    rig.configure([
      virtualServer(
        both.map((each) => ({ ...each, fallback: { ...each.fallback, respectsNoLoadBalance: false } })),
        { ...TIER, exclusive: "onScope" },
      ),
    ]);
    rig.run(seconds(3));
    expect(rig.weights()).toEqual({ 3: 50, 4: 50, 5: 50 });
    scoped = true;
    rig.run(seconds(3));
    expect(rig.desired()[0]?.exclusive).toBe(true);
    expect(rig.weights()).toEqual({ 3: 0, 4: 0, 5: 0 });
    expect(rig.view()[0]?.fallback).toBeUndefined();
    expect(rig.eventsOf("fallback").map(({ phase }) => phase)).toEqual(["began", "ended"]);
  });

  describe("over a reload that asks the members otherwise", () => {
    const served = (answered: Reply | undefined) => {
      const nodes = settledNodes();
      const rig = rigOf(nodes, [tiers()]);
      rig.run(seconds(3));
      gone(nodes);
      rig.runUntil(seconds(7), "3 has weight", () => rig.weights()[3] === 50);
      nodes[3] = answered;
      const asked = { credentials: { user: "u", password: "p" } };
      const realServers = HOSTS.map((host) => ({
        ...realServer(host, [patroniCheck(host, "replica", asked)]),
        fallback: patroniCheck(host, "primary", asked),
      }));
      rig.configure([tiers({ realServers })]);
      return rig;
    };

    test("the second tier goes on serving until its first results", () => {
      const rig = served(leads({}, milliseconds(800)));
      expect(rig.weights()).toEqual({ 3: 50, 4: 0, 5: 0 });
      rig.run(milliseconds(790));
      expect(rig.weights()).toEqual({ 3: 50, 4: 0, 5: 0 });
      rig.run(seconds(9));
      expect(rig.weights()).toEqual({ 3: 50, 4: 0, 5: 0 });
      expect(rig.eventsOf("fallback").map(({ phase }) => phase)).toEqual(["began"]);
    });

    test("not after a clear no, nor after silence that used up the retries", () => {
      const stopping = served(follows({ state: "stopping" }));
      expect(stopping.weights()[3]).toBe(50);
      stopping.run(milliseconds(5));
      expect(stopping.weights()).toEqual({ 3: 0, 4: 0, 5: 0 });
      const silent = served(fails("timedOut", seconds(1)));
      silent.run(milliseconds(1_500));
      expect(silent.weights()[3]).toBe(50);
      silent.run(seconds(2));
      expect(silent.weights()[3]).toBe(0);
    });

    test("nor longer than the worst case of its check", () => {
      const rig = served(undefined);
      rig.run(seconds(1));
      expect(rig.weights()[3]).toBe(50);
      rig.run(seconds(3));
      expect(rig.weights()[3]).toBe(0);
    });
  });

  test("an operator's drain ends no connections there, neither of the second tier nor of the first", () => {
    const drained = (...hosts: number[]) => ({
      kind: "overrides" as const,
      overrides: hosts.map((host) => {
        const target = { address: ip(`10.0.2.${host}`), port: undefined, service: undefined };
        return { target, weight: 0, until: undefined };
      }),
    });
    const shown = tiers({ roleLoss: { policy: "cut" } });
    const servers = shown.realServers.map((each) => ({ ...each, inhibitOnFailure: false }));
    const rig = rigOf(settledNodes(), [{ ...shown, realServers: servers }]);
    for (const host of HOSTS) rig.connections.set(host, 2);
    rig.run(seconds(3));
    rig.feed(drained(4, 5));
    rig.run(seconds(6));
    expect(rig.weights()).toEqual({ 3: 50, 4: 0, 5: 0 });
    rig.feed(drained(3, 4, 5));
    rig.run(seconds(6));
    expect(rig.weights()).toEqual({ 3: 0, 4: 0, 5: 0 });
    expect(rig.eventsOf("roleLoss")).toEqual([]);
    rig.feed(drained());
    expect(rig.weights()).toMatchObject({ 4: 50, 5: 50 });
  });

  test("a replica that is away for less than the time moves nothing to the primary", () => {
    const nodes = settledNodes();
    const rig = rigOf(nodes, [tiers()]);
    rig.run(seconds(3));
    nodes[4] = follows({ state: "stopping" });
    nodes[5] = follows({ state: "stopping" });
    rig.runUntil(seconds(2), "no replica has weight", () => rig.weights()[4] === 0 && rig.weights()[5] === 0);
    nodes[4] = follows();
    rig.run(seconds(5));
    expect(rig.weights()).toEqual({ 3: 0, 4: 50, 5: 0 });
    expect(rig.eventsOf("fallback")).toEqual([]);
  });

  test("at a start without replicas it serves at once, and a server in both tiers has one row", () => {
    const nodes: Nodes = { 3: leads(), 4: follows({ state: "starting" }), 5: follows({ state: "starting" }) };
    const rig = rigOf(nodes, [tiers()]);
    rig.run(milliseconds(10));
    expect(rig.weights()).toEqual({ 3: 50, 4: 0, 5: 0 });
    const both = tiers();
    const anybody = {
      ...both,
      realServers: both.realServers.map((each) => ({
        ...each,
        fallback: patroniCheck(Number(each.address.split(".").at(-1)), "any"),
      })),
    };
    rig.configure([anybody]);
    Object.assign(nodes, settledNodes());
    rig.run(seconds(2));
    expect(rig.weights()).toEqual({ 3: 0, 4: 50, 5: 50 });
    expect(rig.desired()[0]?.destinations).toHaveLength(3);
  });

  test("its other checks must pass there too, and nobody falls back to who has no role", () => {
    const nodes: Nodes = { 3: leads(), 4: follows({ state: "starting" }), 5: follows({ state: "starting" }) };
    const rig = rigOf(nodes, [tiers({}, (host) => [tcpCheck(host)])]);
    const others = rig.respond;
    rig.respond = (check, now) => (check.kind === "TCP_CHECK" ? fails("refused") : others(check, now));
    rig.run(seconds(5));
    expect(rig.weights()).toEqual({ 3: 0, 4: 0, 5: 0 });
  });

  test("the quorum is lost only when the second tier has nobody either", () => {
    const nodes = settledNodes();
    const rig = rigOf(nodes, [tiers()]);
    rig.run(seconds(3));
    gone(nodes);
    rig.run(seconds(6));
    expect(rig.weights()[3]).toBe(50);
    expect(rig.eventsOf("quorum").map(({ to }) => to)).toEqual(["up"]);
    nodes[3] = follows({ state: "stopping" });
    rig.run(seconds(2));
    expect(rig.eventsOf("quorum").map(({ to }) => to)).toEqual(["up", "down"]);
  });
});
