import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ip } from "../../src/core/ip.ts";
import { durationUs, instantUs, type Us } from "../../src/core/units.ts";
import { initialState, nextDeadline, step } from "../../src/vrrp/step.ts";
import {
  type GroupState,
  type GroupStepResult,
  type GroupTransition,
  groupDeadline,
  groupStep,
  initialGroupState,
  type MemberStanding,
  type MemberSummary,
  settleGroup,
  standing,
  summarize,
} from "../../src/vrrp/syncGroup.ts";
import type { HeardAdvert, Input, RouterState, TransitionReason } from "../../src/vrrp/types.ts";
import { LINK_UP, PARAMETERS } from "./vrrpSamples.ts";

/**
 * Hosts with one sync group each, a member on every segment, and a network that delays every packet by exactly the same:
 * the worst case for hosts that make each other yield, since nothing but their own rules takes them apart.
 */
const LATENCY_US = 100;

interface Host {
  group: GroupState;
  readonly members: RouterState[];
  readonly transitions: { readonly atUs: number; readonly transition: GroupTransition }[];
}

interface Packet {
  readonly atUs: number;
  readonly segment: number;
  readonly from: number;
  readonly advert: HeardAdvert;
}

class Hosts {
  readonly hosts: Host[];
  nowUs = 0;
  private packets: Packet[] = [];

  /** `priorities[host][segment]`, and the last byte of each host's addresses. */
  constructor(priorities: readonly (readonly number[])[], suffixes: readonly (readonly number[])[]) {
    this.hosts = priorities.map((row, host) => ({
      group: initialGroupState("g", row.map(String)),
      members: row.map((priority, segment) =>
        initialState(
          { ...PARAMETERS, name: String(segment), priority, inSyncGroup: true },
          { ...LINK_UP, primaryAddress: ip(`10.0.${segment}.${suffixes[host]?.[segment] ?? 0}`) },
        ),
      ),
      transitions: [],
    }));
  }

  startAll(): void {
    for (const host of this.hosts.keys()) this.start(host);
  }

  start(host: number): void {
    for (const segment of this.hosts[host]?.members.keys() ?? []) this.feed(host, segment, { kind: "start" });
  }

  feed(hostIndex: number, segment: number, input: Input): void {
    const host = this.host(hostIndex);
    const member = host.members[segment];
    if (member === undefined) throw new Error("no such member");
    const before = standing(member);
    const { state, effects } = step(member, input, instantUs(this.nowUs));
    host.members[segment] = state;
    for (const effect of effects) {
      if (effect.kind !== "sendAdvert") continue;
      const source = state.link.primaryAddress ?? ip("0.0.0.0");
      const { version, advertInterval, addresses } = state.parameters;
      const advert = { source, version, priority: effect.priority, advertInterval, addresses };
      this.packets.push({ atUs: this.nowUs + LATENCY_US, segment, from: hostIndex, advert });
    }
    if (standing(state) !== before && input.kind !== "group") this.settle(host, hostIndex);
  }

  run(spanUs: number): void {
    const until = this.nowUs + spanUs;
    for (;;) {
      const packet = this.packets[0];
      const due = this.nextDue();
      const held = this.nextHeld();
      const at = Math.min(packet?.atUs ?? Number.POSITIVE_INFINITY, due?.at ?? Number.POSITIVE_INFINITY, held.at);
      if (at > until) break;
      this.nowUs = at;
      if (packet?.atUs === at) {
        this.packets.shift();
        for (const host of this.hosts.keys()) {
          if (host !== packet.from) this.feed(host, packet.segment, { kind: "advert", advert: packet.advert });
        }
      } else if (held.at === at) {
        this.settle(this.host(held.host), held.host);
      } else if (due !== undefined) {
        this.feed(due.host, due.segment, { kind: "deadline" });
      }
    }
    this.nowUs = until;
  }

  roles(): string[][] {
    return this.hosts.map((host) => host.members.map((member) => member.role.name));
  }

  private settle(host: Host, index: number): void {
    const transition = settleGroup({
      group: () => host.group,
      keep: (state) => {
        host.group = state;
      },
      members: () => host.members.map(summarize),
      command: ({ instance, input }) => this.feed(index, Number(instance), input),
      nowUs: () => instantUs(this.nowUs),
    });
    if (transition !== undefined) host.transitions.push({ atUs: this.nowUs, transition });
  }

  private nextHeld(): { at: number; host: number } {
    const ends = this.hosts.map(({ group }, host) => ({ at: groupDeadline(group) ?? Number.POSITIVE_INFINITY, host }));
    return ends.reduce((first, second) => (second.at < first.at ? second : first));
  }

  private nextDue(): { at: Us; host: number; segment: number } | undefined {
    let best: { at: Us; host: number; segment: number } | undefined;
    for (const [host, { members }] of this.hosts.entries()) {
      for (const [segment, member] of members.entries()) {
        const at = nextDeadline(member);
        if (at !== undefined && (best === undefined || at < best.at)) best = { at, host, segment };
      }
    }
    return best;
  }

  private host(index: number): Host {
    const host = this.hosts[index];
    if (host === undefined) throw new Error("no such host");
    return host;
  }
}

describe("two and more hosts with the same sync group", () => {
  it("whatever their priorities and addresses: one host is MASTER of all, the others BACKUP, and it stays so", () => {
    const priority = fc.constantFrom(50, 100, 100, 150);
    const world = fc
      .record({ hosts: fc.integer({ min: 2, max: 3 }), segments: fc.integer({ min: 2, max: 3 }) })
      .chain(({ hosts, segments }) =>
        fc.tuple(
          fc.array(fc.array(priority, { minLength: segments, maxLength: segments }), {
            minLength: hosts,
            maxLength: hosts,
          }),
          fc.array(fc.shuffledSubarray([11, 12, 13], { minLength: hosts, maxLength: hosts }), {
            minLength: segments,
            maxLength: segments,
          }),
          fc.array(fc.constantFrom(0, 0, 50, 100, 1_000_000), { minLength: hosts, maxLength: hosts }),
        ),
      );
    fc.assert(
      fc.property(world, ([priorities, bySegment, delays]) => {
        const suffixes = priorities.map((_, host) => bySegment.map((column) => column[host] ?? 0));
        const hosts = new Hosts(priorities, suffixes);
        for (const [host, delay] of delays.entries()) {
          hosts.run(delay);
          hosts.start(host);
        }
        hosts.run(60_000_000);
        const settled = hosts.roles();
        const masters = settled.filter((roles) => roles.every((role) => role === "MASTER"));
        const backups = settled.filter((roles) => roles.every((role) => role === "BACKUP"));
        expect([masters.length, backups.length], JSON.stringify(settled)).toEqual([1, settled.length - 1]);
        const before = hosts.hosts.map((host) => host.transitions.length);
        hosts.run(20_000_000);
        expect(hosts.hosts.map((host) => host.transitions.length)).toEqual(before);
      }),
      { numRuns: 300 },
    );
  });

  it("contradicting priorities at the very same instant are taken apart", () => {
    const hosts = new Hosts(
      [
        [150, 100],
        [100, 150],
      ],
      [
        [1, 1],
        [2, 2],
      ],
    );
    hosts.startAll();
    hosts.run(3_700_000);
    // Both took over, and both yielded.
    expect(hosts.roles()).toEqual([
      ["BACKUP", "BACKUP"],
      ["BACKUP", "BACKUP"],
    ]);
    hosts.run(11_000_000);
    expect(
      hosts
        .roles()
        .flat()
        .filter((role) => role === "MASTER"),
    ).toHaveLength(2);
    expect(hosts.hosts.some((host) => host.members.every((member) => member.role.name === "MASTER"))).toBe(true);
  });

  it("the hold is one to two master-down intervals, another one at each attempt, and none after a term that lasted", () => {
    const holds = new Set<number>();
    let nowUs = 0;
    let group: GroupState = { ...initialGroupState("g", ["0", "1"]), role: "BACKUP" };
    const stepTo = (...standings: readonly MemberStanding[]): GroupStepResult => {
      const result = groupStep(
        group,
        standings.map((one, index) => member(String(index), one)),
        instantUs(nowUs),
      );
      group = result.state;
      return result;
    };
    const take = (): void => {
      expect(stepTo("claims", "claims").command?.input).toMatchObject({ say: "becomeMaster" });
      stepTo("master", "master");
    };
    for (let attempt = 0; attempt < 8; attempt++) {
      take();
      nowUs += 1;
      expect(stepTo("follows", "master").command?.input).toMatchObject({ say: "becomeBackup" });
      const until = groupDeadline(group) ?? 0;
      holds.add(until - nowUs);
      nowUs = until - 1;
      expect(stepTo("claims", "claims").command).toBeUndefined();
      nowUs = until;
    }
    expect(holds.size).toBeGreaterThan(3);
    for (const hold of holds) expect(hold > 3_609_375 && hold <= 2 * 3_609_375).toBe(true);
    take();
    nowUs += 60_000_000;
    stepTo("follows", "master");
    expect([groupDeadline(group), group.briefTerms]).toEqual([undefined, 0]);
  });
});

describe("a group step over any standings of its members", () => {
  const any = fc.constantFrom<MemberStanding>("init", "listens", "follows", "claims", "master", "fault", "held");

  it("a step that leaves nothing to do leaves nothing to do when repeated, and ends with its members together", () => {
    fc.assert(
      fc.property(fc.array(fc.array(any, { minLength: 3, maxLength: 3 }), { maxLength: 12 }), (rounds) => {
        let group = initialGroupState("g", ["0", "1", "2"]);
        for (const round of rounds) {
          const standings = [...round];
          // Held after a fault of its own, until it is told otherwise.
          const reasons: TransitionReason[] = standings.map(() => "interfaceDown");
          const summaries = () =>
            standings.map((one, index) => member(String(index), one, one === "held" ? reasons[index] : undefined));
          const transition = settleGroup({
            group: () => group,
            keep: (state) => {
              group = state;
            },
            members: summaries,
            command: ({ instance, input }) => {
              standings[Number(instance)] = obeyed(input);
              if (input.say === "fault") reasons[Number(instance)] = "groupFault";
            },
            nowUs: () => instantUs(0),
          });
          if (transition !== undefined) expect(transition.from).not.toBe(transition.to);
          expect(groupStep(group, summaries(), instantUs(0))).toEqual({
            state: group,
            command: undefined,
            transition: undefined,
          });
          together(group, standings);
        }
      }),
      { numRuns: 3000 },
    );
  });
});

function member(name: string, standing: MemberStanding, reason?: TransitionReason): MemberSummary {
  const source = ip(`10.0.2.${1 + Number(name)}`);
  return { name, standing, reason, masterDownInterval: durationUs(3_609_375), source };
}

/** What a member is that does what it is told. */
function obeyed(input: Extract<Input, { kind: "group" }>): MemberStanding {
  switch (input.say) {
    case "becomeMaster":
      return "master";
    case "becomeBackup":
    case "recovered":
      return "listens";
    case "fault":
      return "held";
  }
}

function together(group: GroupState, standings: readonly MemberStanding[]): void {
  const seen = standings.filter((standing) => standing !== "init");
  if (seen.length === 0) expect(group.role).toBe("INIT");
  if (seen.includes("fault")) expect(seen.every((standing) => standing === "fault" || standing === "held")).toBe(true);
  else expect(seen).not.toContain("held");
  if (seen.includes("fault")) expect(group.role).toBe("FAULT");
  // A member that only listens may join a MASTER group later; one that follows another router may not.
  if (seen.includes("master")) {
    expect(group.role).toBe("MASTER");
    expect(seen).not.toContain("follows");
    expect(seen).not.toContain("claims");
  }
}
