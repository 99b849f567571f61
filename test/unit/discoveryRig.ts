import { ip } from "../../src/core/ip.ts";
import { milliseconds, seconds } from "../../src/core/units.ts";
import type { ProbeOutcome } from "../../src/health/types.ts";
import { HealthRig, hostIp, patroniCheck, type Reply, realServer, virtualServer } from "../sim/healthRig.ts";
import { fails, follows, leads, patroniBody } from "../sim/patroniAnswers.ts";

/** A service that follows a cluster of three, and what is told it of them. */
export const SERVICE = "TCP 10.0.2.10:5432";
export const SOURCE = "10.0.2.3:8008";

/** @param others further sources, by their hosts */
export function following(exclusive = true, scope?: string, others: readonly number[] = []) {
  const check = { ...patroniCheck(0, exclusive ? "primary" : "replica"), connectIp: ip("0.0.0.0") };
  const template = { ...realServer(0, [check]), address: ip("0.0.0.0") };
  const sources = [3, ...others].map((host) => ({ address: hostIp(host), port: 8008 }));
  const discovery = { sources, scope, interval: seconds(10), template };
  return virtualServer([], { exclusive: exclusive ? "detected" : "no", discovery });
}

/** A member as Patroni lists it. */
export const member = (host: number, more: object = {}): object => ({
  ...{ name: `pg${host}`, role: host === 3 ? "leader" : "replica", state: "running" },
  ...{ api_url: `http://10.0.2.${host}:8008/patroni`, host: `10.0.2.${host}`, port: 5432, timeline: 5, lag: 0 },
  ...more,
});

export function answered(list: unknown, status: string | undefined = patroniBody({}), code = 200): ProbeOutcome {
  const body = typeof list === "string" ? list : JSON.stringify(list);
  const answers = [
    { path: "/cluster", status: code, body, bodyTruncated: false },
    ...(status === undefined ? [] : [{ path: "/patroni", status: 200, body: status, bodyTruncated: false }]),
  ];
  return { kind: "answered", answers };
}
export const listing = (...hosts: number[]): ProbeOutcome =>
  answered({ members: hosts.map((host) => member(host)), scope: "demo" });

export function world(
  options: {
    readonly exclusive?: boolean;
    readonly scope?: string;
    readonly start?: boolean;
    readonly others?: readonly number[];
  } = {},
) {
  const answers = new Map<number, Reply>([
    [3, leads()],
    [4, follows()],
    [5, follows()],
  ]);
  const rig = new HealthRig({
    respond: (check) => {
      // A service port answers, whatever the REST API beside it does.
      if (check.kind === "TCP_CHECK") return { outcome: { kind: "connected" }, after: milliseconds(1) };
      return answers.get(Number(check.connectIp.split(".").at(-1))) ?? fails("timedOut");
    },
  });
  rig.configure([following(options.exclusive, options.scope, options.others)]);
  const told = (outcome: ProbeOutcome): void =>
    rig.feed({ kind: "cluster", service: SERVICE, source: SOURCE, outcome });
  if (options.start !== false) {
    told(listing(3, 4));
    rig.run(seconds(2));
  }
  const words = (): string[] => rig.eventsOf("members").map(({ what }) => what);
  return { rig, answers, told, words };
}
