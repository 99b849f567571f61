import type { VirtualServerConfig } from "../../../src/config/types.ts";
import type { Ip } from "../../../src/core/ip.ts";
import { instantUs, milliseconds, seconds } from "../../../src/core/units.ts";
import { Dice } from "../dice.ts";
import { FakePatroni } from "../fakePatroni.ts";
import { drawServices, HOSTS } from "../services.ts";
import { drawOptions, type WorldOptions } from "../vrrp/options.ts";
import type { InstancePlan, MemberPlan, WorldPlan } from "../vrrp/plan.ts";
import { World, type WorldModules } from "../vrrp/world.ts";
import { JointCheckers } from "./checkers.ts";
import { Director } from "./director.ts";

/** Two directors: what they share is one LAN, one cluster, one configuration and one clock. */
export class JointWorld {
  readonly vrrp: World;
  readonly directors: readonly Director[];
  readonly patroni: FakePatroni;
  readonly checkers: JointCheckers;
  readonly dice: Dice;
  /** The configuration of both, whenever they read it. */
  services: readonly VirtualServerConfig[];
  /** Until when the cluster moves; in the past when it is at rest. */
  clusterRestsAtUs = 0;
  episodes = 0;

  /** @param makeDriver the VRRP driver of a new process: the product's, or one that a test has broken */
  constructor(seed: number, changes: Partial<WorldOptions> = {}, makeDriver?: WorldModules["makeDriver"]) {
    this.dice = new Dice(seed ^ 0x10_1e57);
    const options = { ...drawOptions(seed), ...JOINT, ...changes };
    this.services = this.drawServices();
    this.patroni = new FakePatroni(HOSTS, this.dice);
    this.checkers = new JointCheckers(this);
    this.vrrp = new World(options, {
      ...(makeDriver === undefined ? {} : { makeDriver }),
      plan: drawPair(this.dice),
      checkers: [this.checkers.asChecker()],
      listen: (router, message) => {
        if (message.kind !== "transition") return;
        this.directors[router.number]?.transition(message.instance, message.transition.to);
      },
    });
    this.directors = this.vrrp.routers.map(
      (router) =>
        new Director({
          ...{ router, patroni: this.patroni, services: () => this.services },
          tableChanged: (director) => this.checkers.tableChanged(director),
        }),
    );
  }

  drawServices(): VirtualServerConfig[] {
    const { dice } = this;
    const services = drawServices(dice);
    const servers = services.flatMap(({ realServers }) => realServers);
    const limitsLag = servers.some(({ checks }) => checks.some((check) => "maxLagBytes" in check && check.maxLagBytes));
    // The leader's position is told by the write service's answers, where the readers' own checks do not ask everybody.
    return services.map((service, at) => ({ ...service, haSuspend: dice.chance(0.3) && !(limitsLag && at === 0) }));
  }

  /** One episode of the cluster begins now, unless it is in the midst of one. */
  playEpisode(): void {
    const { vrrp } = this;
    if (vrrp.nowUs < this.clusterRestsAtUs) return;
    const { name, end } = this.patroni.playEpisode(instantUs(vrrp.nowUs), (at, run) => vrrp.at(at, run));
    vrrp.trace.note("cluster", name);
    this.clusterRestsAtUs = end + 1;
    this.episodes += 1;
  }

  /** The directors that a packet to this address may reach. */
  holdersOf(address: Ip): Director[] {
    return this.directors.filter(({ router }) => router.answersFor(address, 0));
  }
}

/** The size of a joint world, and rounds short enough for many. */
const JOINT = {
  ...{ routers: 2, instances: 2, segments: 1, groups: 0, trackers: 0, tracking: 0, intervalMin: milliseconds(100) },
  ...{ roundMin: seconds(30), roundMax: seconds(240) },
} as const satisfies Partial<WorldOptions>;

/** The write service's address and the readers', in a sync group or each for itself. */
function drawPair(dice: Dice): WorldPlan {
  const group = dice.chance(0.5) ? "G1" : undefined;
  const version = dice.pick([2, 2, 3] as const);
  const nopreempt = dice.chance(0.3);
  const member = (priority: number): MemberPlan => ({
    ...{ priority, nopreempt },
    preemptDelay: seconds(dice.chance(0.2) ? dice.integer(1, 10) : 0),
  });
  const members = dice.chance(0.5) ? [member(150), member(100)] : [member(100), member(150)];
  const base: Omit<InstancePlan, "name" | "virtualRouterId" | "vips" | "members"> = {
    ...{ segment: 0, version, family: 4, unicast: dice.chance(0.3), password: undefined, group, trackers: [] },
    advertInterval: version === 2 ? seconds(1) : dice.pick([milliseconds(100), milliseconds(200), seconds(1)]),
    downTimerAdverts: 3,
  };
  const vip = (host: number, excluded = false) => ({ cidr: `10.0.2.${host}/24`, excluded });
  const instances: InstancePlan[] = [
    { ...base, name: "V1", virtualRouterId: 1, vips: [vip(10)], members },
    // Without a sync group the other router may have the readers.
    {
      ...{ ...base, name: "V2", virtualRouterId: 2, vips: [vip(11), vip(12, dice.chance(0.5))] },
      members: group === undefined && dice.chance(0.5) ? members.toReversed() : members,
    },
  ];
  return { instances, trackers: [] };
}
