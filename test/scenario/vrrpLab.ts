import { ip } from "../../src/core/ip.ts";
import { after, type DurationUs, instantUs, type Us } from "../../src/core/units.ts";
import { Recorder, type Recording, type ReplayedTransition } from "../../src/vrrp/recorder.ts";
import { initialState, nextDeadline, step } from "../../src/vrrp/step.ts";
import {
  type GroupState,
  groupDeadline,
  initialGroupState,
  settleGroup,
  standing,
  summarize,
  withMembers,
} from "../../src/vrrp/syncGroup.ts";
import type { Effect, Input, RouterState } from "../../src/vrrp/types.ts";
import { type Command, parseCommand } from "./script.ts";
import {
  describe,
  describeGroup,
  describeRole,
  duration,
  formatSeconds,
  linkFacts,
  parameters,
  required,
  tracking,
} from "./vrrpLabText.ts";

/**
 * Routers on segments in virtual time, driven by the commands of a scenario file. Commands:
 *
 *   router NAME address=IP|none [link=up|down|missing|source-missing|no-peer] [KEY=VALUE...]
 *       version=3 priority=N interval=2s down-adverts=N preempt=no preempt-delay=5s vips=IP,IP
 *       garp-delay=5s garp-repeat=N garp-refresh=60s garp-refresh-repeat=N garp-extra=100s
 *       lower-prio-delay=5s lower-prio-repeat=N lower-prio-no-advert=yes higher-prio-send-advert=yes
 *       skip-check-adv-addr=yes track-primary=no
 *   group NAME ROUTER ROUTER...                                  a sync group; again with others, or none: a reload
 *   start|stop NAME...
 *   deliver NAME from=IP priority=N [interval=2s] [vips=IP,IP] [version=2|3]   an advert from outside
 *   connect NAME NAME... [on=SEGMENT]                            from now on adverts of each reach the others at once
 *   disconnect NAME...                                           takes them out again
 *   advance 3.6s                                                 handles every deadline on the way, in order
 *   pause NAME... / resume NAME...                               in between deadlines and adverts wait; resume drops the adverts
 *   deadline NAME                                                the input, now, due or not
 *   missing NAME [late]                                          an address was taken away by others, or not refreshed
 *   link NAME STATUS [address=IP|none]
 *   track NAME [priority=N] [faults=KIND:NAME,...|none]          what the trackers say
 *   configure NAME key=value...                                  keys as for router
 *   refuse NAME adverts|addresses / allow NAME adverts|addresses what the kernel says to the next ones
 *
 * The transcript has one line for each effect, `+3.609375s` lines before what a deadline causes, the router's role with
 * its deadlines after each change, and the transitions of groups.
 */
interface Router {
  readonly name: string;
  state: RouterState;
  segment: string | undefined;
  paused: boolean;
  refusesAdverts: boolean;
  refusesAddresses: boolean;
  shown: string;
}

const STEPS_MAX = 10_000;

export class VrrpLab {
  readonly transitions: ReplayedTransition[] = [];
  private readonly routers = new Map<string, Router>();
  private readonly groups = new Map<string, GroupState>();
  private readonly settling = new Set<string>();
  private readonly recorder = new Recorder(() => ({
    instances: [...this.routers.values()].map((router) => router.state),
    groups: [...this.groups.values()],
  }));
  private inFlight: (() => void)[] = [];
  private nowUs: Us = instantUs(0);
  private output: string[] = [];

  run(line: string): readonly string[] {
    this.output = [];
    const command = parseCommand(line);
    const handler = this.handlers[command.name];
    if (handler === undefined) throw new Error(`unknown command: ${command.name}`);
    handler(command, command.words[0] ?? "");
    this.land();
    return this.output;
  }

  recording(): Recording {
    return this.recorder.recording();
  }

  private readonly handlers: Readonly<Record<string, (command: Command, first: string) => void>> = {
    router: (command, name) => this.addRouter(name, command),
    group: ({ words }, name) => this.setGroup(name, words.slice(1)),
    start: ({ words }) => this.each(words, (router) => this.feed(router, { kind: "start" })),
    stop: ({ words }) => this.each(words, (router) => this.feed(router, { kind: "stop" })),
    deadline: (_, name) => this.feed(this.router(name), { kind: "deadline" }),
    deliver: (command, name) => this.deliver(this.router(name), command),
    connect: ({ words, options }) =>
      this.each(words, (router) => {
        router.segment = options.get("on") ?? "lan";
      }),
    disconnect: ({ words }) =>
      this.each(words, (router) => {
        router.segment = undefined;
      }),
    advance: (_, span) => this.advance(duration(span)),
    pause: ({ words }) =>
      this.each(words, (router) => {
        router.paused = true;
      }),
    resume: ({ words }) => {
      this.each(words, (router) => {
        router.paused = false;
      });
      this.runDue();
    },
    link: ({ words, options }, name) => {
      const router = this.router(name);
      const link = linkFacts(words[1] ?? "up", options.get("address"), router.state.link);
      this.feed(router, { kind: "link", link });
    },
    track: (command, name) => {
      const router = this.router(name);
      this.feed(router, { kind: "tracking", tracking: tracking(command, router.state.tracking) });
    },
    configure: (command, name) => {
      const router = this.router(name);
      const next = parameters(command, router.state.parameters);
      const { faults } = router.state.tracking;
      const seen = command.options.get("link");
      const link = seen === undefined ? router.state.link : linkFacts(seen, undefined, router.state.link);
      this.feed(router, { kind: "configure", parameters: next, tracking: { priority: next.priority, faults }, link });
    },
    missing: ({ words }, name) => {
      const cause = words[1] === "late" ? "notRefreshed" : "removedByOthers";
      this.feed(this.router(name), { kind: "addressesMissing", cause });
    },
    refuse: (command, name) => setRefusal(this.router(name), command),
    allow: (command, name) => setRefusal(this.router(name), command),
  };

  private addRouter(name: string, command: Command): void {
    const link = linkFacts(command.options.get("link") ?? "up", command.options.get("address") ?? "none");
    const router: Router = {
      name,
      state: initialState(parameters(command, undefined), link),
      segment: undefined,
      paused: false,
      refusesAdverts: false,
      refusesAddresses: false,
      shown: "",
    };
    this.routers.set(name, router);
    this.recorder.add({ kind: "instanceAdded", atUs: this.nowUs, state: router.state });
    this.show(router);
  }

  /** As a reload does it: the group first, then its members' parameters, then what follows from them. */
  private setGroup(name: string, members: readonly string[]): void {
    const old = this.groups.get(name);
    if (members.length === 0) this.groups.delete(name);
    else this.groups.set(name, old === undefined ? initialGroupState(name, members) : withMembers(old, members));
    this.recorder.add({ kind: "groupsChanged", atUs: this.nowUs, groups: [...this.groups.values()] });
    this.settling.add(name);
    for (const router of this.routers.values()) {
      const { parameters, tracking, link } = router.state;
      const inSyncGroup = [...this.groups.values()].some((group) => group.members.includes(router.name));
      if (inSyncGroup === parameters.inSyncGroup) continue;
      this.feed(router, { kind: "configure", parameters: { ...parameters, inSyncGroup }, tracking, link });
    }
    this.settling.delete(name);
    this.settle(name);
  }

  private deliver(router: Router, command: Command): void {
    const { state } = router;
    const interval = command.options.get("interval");
    const version = command.options.get("version");
    this.feed(router, {
      kind: "advert",
      advert: {
        source: ip(required(command, "from")),
        version: (version === undefined ? state.parameters.version : Number(version)) === 3 ? 3 : 2,
        priority: Number(required(command, "priority")),
        advertInterval: interval === undefined ? state.parameters.advertInterval : duration(interval),
        addresses: command.options.get("vips")?.split(",").map(ip) ?? state.parameters.addresses,
      },
    });
  }

  /** As the driver does it: effects in order, then their answers, then the group; what was sent arrives after all that. */
  private feed(router: Router, input: Input): void {
    const before = standing(router.state);
    this.recorder.add({ kind: "input", atUs: this.nowUs, instance: router.name, input });
    const { state, effects } = step(router.state, input, this.nowUs);
    router.state = state;
    for (const effect of effects) {
      if (effect.kind !== "transition") continue;
      const { transition } = effect;
      this.transitions.push({ kind: "instance", atUs: this.nowUs, name: router.name, transition });
    }
    const answers = this.perform(router, effects);
    this.show(router);
    for (const answer of answers) this.feed(router, answer);
    if (standing(router.state) === before) return;
    for (const group of this.groups.values()) if (group.members.includes(router.name)) this.settle(group.name);
  }

  private perform(router: Router, effects: readonly Effect[]): Input[] {
    const answers: Input[] = [];
    let sent = true;
    for (const effect of effects) {
      const skipped =
        !sent && (effect.kind === "announce" || (effect.kind === "addresses" && effect.action !== "remove"));
      this.say(`${router.name} ${describe(effect)}${skipped ? " (skipped)" : ""}`);
      if (skipped) continue;
      if (effect.kind === "sendAdvert") {
        sent = !router.refusesAdverts || effect.mayFail;
        if (!sent) answers.push({ kind: "advertNotSent", detail: "EPERM" });
        else if (!router.refusesAdverts) this.transmit(router, effect.priority);
      } else if (effect.kind === "addresses" && effect.action !== "remove") {
        if (router.refusesAddresses) answers.push({ kind: "addressesDone", outcome: { ok: false, detail: "ENOBUFS" } });
        else if (effect.action === "add") answers.push({ kind: "addressesDone", outcome: { ok: true } });
      }
    }
    return answers;
  }

  private transmit(sender: Router, priority: number): void {
    const { parameters, link } = sender.state;
    const source = link.primaryAddress;
    const { advertInterval, addresses, version } = parameters;
    if (sender.segment === undefined || source === undefined || !link.up) return;
    for (const other of this.routers.values()) {
      if (other === sender || other.segment !== sender.segment || other.paused) continue;
      const advert = { source, version, priority, advertInterval, addresses };
      this.inFlight.push(() => this.feed(other, { kind: "advert", advert }));
    }
  }

  /** Everything that was sent arrives, in order, and what is sent because of it. */
  private land(): void {
    for (let arrive = this.inFlight.shift(); arrive !== undefined; arrive = this.inFlight.shift()) arrive();
  }

  private settle(name: string): void {
    const group = this.groups.get(name);
    if (group === undefined || this.settling.has(name)) return;
    this.settling.add(name);
    const transition = settleGroup({
      group: () => this.groups.get(name) ?? group,
      keep: (state) => this.groups.set(name, state),
      members: () => {
        this.recorder.add({ kind: "group", atUs: this.nowUs, group: name });
        return group.members.map((member) => summarize(this.router(member).state));
      },
      command: ({ instance, input }) => this.feed(this.router(instance), input),
      nowUs: () => this.nowUs,
    });
    this.settling.delete(name);
    if (transition === undefined) return;
    this.say(`${name}: ${describeGroup(transition)}`);
    this.transitions.push({ kind: "group", atUs: this.nowUs, name, transition });
  }

  private advance(span: DurationUs): void {
    const until = after(this.nowUs, span);
    for (let count = 0; count < STEPS_MAX; count++) {
      const next = this.earliest();
      if (next === undefined || next.at > until) {
        this.nowUs = until;
        return;
      }
      this.nowUs = next.at;
      this.say(`+${formatSeconds(next.at)}`);
      next.act();
      this.land();
    }
    throw new Error("the deadlines never end");
  }

  /** After a pause: what became due meanwhile is handled now. */
  private runDue(): void {
    for (const router of this.routers.values()) {
      const deadline = nextDeadline(router.state);
      if (!router.paused && deadline !== undefined && deadline <= this.nowUs) {
        this.say(`+${formatSeconds(this.nowUs)}`);
        this.feed(router, { kind: "deadline" });
      }
    }
  }

  private earliest(): { at: Us; act: () => void } | undefined {
    let best: { at: Us; act: () => void } | undefined;
    for (const router of this.routers.values()) {
      const at = router.paused ? undefined : nextDeadline(router.state);
      if (at !== undefined && (best === undefined || at < best.at))
        best = { at, act: () => this.feed(router, { kind: "deadline" }) };
    }
    for (const group of this.groups.values()) {
      const at = groupDeadline(group);
      if (at !== undefined && (best === undefined || at < best.at)) best = { at, act: () => this.settle(group.name) };
    }
    return best;
  }

  private router(name: string): Router {
    const router = this.routers.get(name);
    if (router === undefined) throw new Error(`no router ${name}`);
    return router;
  }

  private each(names: readonly string[], act: (router: Router) => void): void {
    for (const name of names) act(this.router(name));
  }

  private show(router: Router): void {
    const text = `${router.name}: ${describeRole(router.state)}`;
    if (text !== router.shown) this.say(text);
    router.shown = text;
  }

  private say(line: string): void {
    this.output.push(line);
  }
}

function setRefusal(router: Router, command: Command): void {
  const refused = command.name === "refuse";
  if (command.words[1] === "adverts") router.refusesAdverts = refused;
  else if (command.words[1] === "addresses") router.refusesAddresses = refused;
  else throw new Error(`${command.name} NAME adverts|addresses`);
}
