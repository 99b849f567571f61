import { describe, expect, test } from "vitest";
import { milliseconds, seconds } from "../../src/core/units.ts";
import type { RegexMatch } from "../../src/health/types.ts";
import { HealthRig, httpCheck, type Reply, realServer, virtualServer, writeService } from "../sim/healthRig.ts";
import { answer, follows, leads, patroniBody } from "../sim/patroniAnswers.ts";

/** HTTP_GET of Patroni's REST API through a proxy: what the proxy says by itself is not Patroni's answer. */

const PAGE = "<html><body><h1>503 Service Unavailable</h1></body></html>";
const page = (status: number, path?: string): Reply => answer(status, PAGE, path);

/** The same answer, with what a regex found in it. */
function matching(reply: Reply, match: RegexMatch): Reply {
  if (reply === undefined || !("outcome" in reply) || reply.outcome.kind !== "answered") return reply;
  const answers = reply.outcome.answers.map((each) => ({ ...each, match }));
  return { ...reply, outcome: { ...reply.outcome, answers } };
}
const ID = "TCP 10.0.2.10:5432";

function settled(config = writeService(), first: readonly Reply[] = [leads(), follows(), follows()]) {
  const nodes = new Map(first.map((reply, index) => [index + 3, reply]));
  const connected: Reply = { outcome: { kind: "connected" }, after: milliseconds(1) };
  const rig = new HealthRig({
    respond: (check) => (check.kind === "TCP_CHECK" ? connected : nodes.get(Number(check.connectIp.split(".").at(-1)))),
  });
  rig.configure([config]);
  rig.run(seconds(3));
  return { rig, nodes };
}

describe("a write service", () => {
  test.each([502, 503, 404, 200])("holds its holder over a page with %d, as over silence", (status) => {
    const { rig, nodes } = settled();
    nodes.set(3, page(status));
    rig.run(seconds(20));
    expect(rig.weights()).toEqual({ 3: 50, 4: 0, 5: 0 });
    expect(rig.view()[0]?.servers[0]?.reason).toContain(
      `HTTP ${status} from /primary, which is no answer of Patroni's`,
    );
    // For role_hold, and then no longer.
    rig.run(seconds(15));
    expect(rig.weights()[3]).toBe(0);
  });

  test("holds its holder over a page without what a regex of the check searches for", () => {
    const regex = {
      written: "primary",
      source: "primary",
      flags: "",
      noMatch: false,
      minOffset: 0,
      maxOffset: undefined,
    };
    const servers = [3, 4, 5].map((host) => {
      const check = httpCheck(host, "/primary");
      return realServer(host, [{ ...check, urls: check.urls.map((url) => ({ ...url, regex })) }]);
    });
    const found = { kind: "found", offset: 1 } as const;
    const { rig, nodes } = settled(virtualServer(servers, { exclusive: "detected" }), [
      matching(leads(), found),
      matching(follows(), found),
      matching(follows(), found),
    ]);
    expect(rig.weights()).toEqual({ 3: 50, 4: 0, 5: 0 });
    nodes.set(3, page(200));
    rig.run(seconds(20));
    expect(rig.weights()).toEqual({ 3: 50, 4: 0, 5: 0 });
  });

  test("gives the weight to whom Patroni confirms meanwhile, and back to nobody by a page with 200", () => {
    const { rig, nodes } = settled();
    nodes.set(3, page(503));
    rig.run(seconds(1));
    nodes.set(4, leads({ timeline: 6 }));
    rig.run(seconds(1));
    expect(rig.weights()).toEqual({ 3: 0, 4: 50, 5: 0 });
    nodes.set(4, follows());
    nodes.set(3, page(200));
    rig.run(seconds(5));
    expect(rig.weights()).toEqual({ 3: 0, 4: 0, 5: 0 });
    expect(rig.eventsOf("conflict")).toEqual([]);
  });

  test("Patroni's own 503 takes the weight at once, behind pages too", () => {
    const { rig, nodes } = settled();
    nodes.set(3, page(503));
    rig.run(seconds(5));
    nodes.set(3, follows());
    rig.run(milliseconds(300));
    expect(rig.weights()[3]).toBe(0);
  });

  test("of another product, which tells no body of Patroni's: each status counts", () => {
    const yes = answer(200, "primary");
    const no = answer(503, "replica");
    const { rig, nodes } = settled(writeService(), [yes, no, no]);
    expect(rig.weights()).toEqual({ 3: 50, 4: 0, 5: 0 });
    nodes.set(3, no);
    rig.run(milliseconds(205));
    expect(rig.weights()[3]).toBe(0);
  });

  test("at a start, before Patroni's body was seen, a page is a no", () => {
    const { rig } = settled(writeService(), [page(503), follows(), follows()]);
    expect(rig.weights()).toEqual({ 3: 0, 4: 0, 5: 0 });
    rig.restart(5);
    rig.configure([writeService()], new Map([[ID, new Map([["10.0.2.3:5432", 50]])]]));
    rig.run(milliseconds(10));
    expect(rig.weights()[3]).toBe(0);
  });
});

test("a service of readers lets a page use up the retries", () => {
  const readers = [3, 4].map((host) => realServer(host, [httpCheck(host, "/replica", { retry: 2 })]));
  const replica = answer(200, patroniBody({ role: "replica" }), "/replica");
  const { rig, nodes } = settled(virtualServer(readers), [replica, replica]);
  nodes.set(3, page(503, "/replica"));
  rig.run(milliseconds(1_500));
  expect(rig.weights()).toEqual({ 3: 50, 4: 50 });
  rig.run(seconds(5));
  expect(rig.weights()).toEqual({ 3: 0, 4: 50 });
});

test("a page that is asked for beside Patroni's path is judged as what it is", () => {
  const both = writeService();
  const servers = both.realServers.map((server) => ({
    ...server,
    checks: server.checks.map((check) => ({
      ...check,
      urls: ["/primary", "/index.html"].map((path) => ({ path, statusCodes: [{ from: 200, to: 299 }] })),
    })),
  })) as typeof both.realServers;
  const answers = (status: number): Reply => ({
    outcome: {
      kind: "answered",
      answers: [
        { path: "/primary", status: 200, body: patroniBody({}), bodyTruncated: false },
        { path: "/index.html", status, body: PAGE, bodyTruncated: false },
      ],
    },
    after: milliseconds(2),
  });
  const { rig, nodes } = settled({ ...both, realServers: servers }, [answers(200), follows(), follows()]);
  expect(rig.weights()[3]).toBe(50);
  nodes.set(3, answers(500));
  rig.run(milliseconds(205));
  expect(rig.weights()[3]).toBe(0);
});
