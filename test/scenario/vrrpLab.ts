import { ip } from "../../src/core/ip.ts";
import { after, type DurationUs, durationUs, instantUs, seconds, type Us } from "../../src/core/units.ts";
import { initialState, nextDeadline, step } from "../../src/vrrp/step.ts";
import type { Effect, Input, LinkFacts, RouterParameters, RouterState, Transition } from "../../src/vrrp/types.ts";
import { type Command, parseCommand } from "./script.ts";

/**
 * Routers on a segment in virtual time, driven by the commands of a scenario file. Commands:
 *
 *   router NAME address=IP|none [priority=N] [interval=2s] [preempt=no] [vips=IP,IP] [garp-delay=5s] [garp-repeat=N]
 *          [garp-refresh=60s] [garp-refresh-repeat=N] [link=up|down|missing]
 *   start|stop NAME
 *   deliver NAME from=IP priority=N [interval=2s] [vips=IP,IP]   an advert from outside
 *   connect NAME NAME...                                         from now on adverts of each reach the others at once
 *   disconnect NAME                                              takes one out again
 *   advance 3.6s                                                 handles every deadline on the way, in order
 *   pause NAME / resume NAME                                     in between its deadlines and adverts wait; resume drops the adverts
 *   deadline NAME                                                the input, now, due or not
 *   missing NAME                                                 an address was taken away by others
 *   link NAME up|down|missing [address=IP|none]
 *   configure NAME key=value...                                  keys as for router
 *   refuse NAME adverts|addresses / allow NAME adverts|addresses what the kernel says to the next ones
 *
 * The transcript has one line for each effect, `+3.609375s` lines before what a deadline causes, and the router's
 * role with its deadlines after each change.
 */
interface Router {
  readonly name: string;
  state: RouterState;
  paused: boolean;
  refusesAdverts: boolean;
  refusesAddresses: boolean;
  shown: string;
}

const LINK: LinkFacts = {
  present: false,
  up: false,
  primaryAddress: undefined,
  sourceAddressMissing: false,
  noUnicastPeer: false,
};
const DEFAULT_VIPS = "10.0.2.10";
const STEPS_MAX = 10_000;

export class VrrpLab {
  private readonly routers = new Map<string, Router>();
  private readonly segment = new Set<string>();
  private nowUs: Us = instantUs(0);
  private output: string[] = [];

  run(line: string): readonly string[] {
    this.output = [];
    const command = parseCommand(line);
    const handler = this.handlers[command.name];
    if (handler === undefined) throw new Error(`unknown command: ${command.name}`);
    handler(command, command.words[0] ?? "");
    return this.output;
  }

  private readonly handlers: Readonly<Record<string, (command: Command, first: string) => void>> = {
    router: (command, name) => this.addRouter(name, command),
    start: (_, name) => this.feed(this.router(name), { kind: "start" }),
    stop: (_, name) => this.feed(this.router(name), { kind: "stop" }),
    deadline: (_, name) => this.feed(this.router(name), { kind: "deadline" }),
    deliver: (command, name) => this.deliver(this.router(name), command),
    connect: ({ words }) => {
      for (const name of words) this.segment.add(this.router(name).name);
    },
    disconnect: (_, name) => {
      this.segment.delete(name);
    },
    advance: (_, span) => this.advance(duration(span)),
    pause: (_, name) => {
      this.router(name).paused = true;
    },
    resume: (_, name) => {
      this.router(name).paused = false;
      this.runDue();
    },
    link: ({ words, options }, name) => {
      const router = this.router(name);
      const link = linkFacts(words[1] ?? "up", options.get("address"), router.state.link);
      this.feed(router, { kind: "link", link });
    },
    configure: (command, name) => {
      const router = this.router(name);
      const next = parameters(command, router.state.parameters);
      const { faults } = router.state.tracking;
      this.feed(router, { kind: "configure", parameters: next, tracking: { priority: next.priority, faults } });
    },
    missing: ({ words }, name) => {
      const cause = words[1] === "late" ? "notRefreshed" : "removedByOthers";
      this.feed(this.router(name), { kind: "addressesMissing", cause });
    },
    refuse: (command, name) => setRefusal(this.router(name), command),
    allow: (command, name) => setRefusal(this.router(name), command),
  };

  private addRouter(name: string, command: Command): void {
    const facts: LinkFacts = { ...LINK, present: true, up: true };
    const link = linkFacts(command.options.get("link") ?? "up", command.options.get("address") ?? "none", facts);
    const router: Router = {
      name,
      state: initialState(parameters(command, undefined), link),
      paused: false,
      refusesAdverts: false,
      refusesAddresses: false,
      shown: "",
    };
    this.routers.set(name, router);
    this.show(router);
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

  private feed(router: Router, input: Input): void {
    const before = router.state;
    const { state, effects } = step(before, input, this.nowUs);
    router.state = state;
    // As the driver does it: effects in order, answers and deliveries afterwards.
    const answers = this.perform(router, effects);
    this.show(router);
    for (const answer of answers) answer();
  }

  private perform(router: Router, effects: readonly Effect[]): (() => void)[] {
    const answers: (() => void)[] = [];
    let sent = true;
    for (const effect of effects) {
      const skipped =
        !sent && (effect.kind === "announce" || (effect.kind === "addresses" && effect.action !== "remove"));
      this.say(`${router.name} ${describe(effect)}${skipped ? " (skipped)" : ""}`);
      if (skipped) continue;
      if (effect.kind === "sendAdvert") {
        sent = !router.refusesAdverts;
        if (!sent) answers.push(() => this.feed(router, { kind: "advertNotSent", detail: "EPERM" }));
        else answers.push(...this.deliveries(router, effect.priority));
      } else if (effect.kind === "addresses" && effect.action !== "remove") {
        if (router.refusesAddresses) {
          answers.push(() => this.feed(router, { kind: "addressesDone", outcome: { ok: false, detail: "ENOBUFS" } }));
        } else if (effect.action === "add") {
          answers.push(() => this.feed(router, { kind: "addressesDone", outcome: { ok: true } }));
        }
      }
    }
    return answers;
  }

  private deliveries(sender: Router, priority: number): (() => void)[] {
    const { parameters, link } = sender.state;
    const source = link.primaryAddress;
    if (!this.segment.has(sender.name) || source === undefined) return [];
    const { advertInterval, addresses, version } = parameters;
    return [...this.routers.values()]
      .filter((other) => other !== sender && this.segment.has(other.name) && !other.paused)
      .map(
        (other) => () =>
          this.feed(other, { kind: "advert", advert: { source, version, priority, advertInterval, addresses } }),
      );
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
      this.feed(next.router, { kind: "deadline" });
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

  private earliest(): { router: Router; at: Us } | undefined {
    let best: { router: Router; at: Us } | undefined;
    for (const router of this.routers.values()) {
      const at = router.paused ? undefined : nextDeadline(router.state);
      if (at !== undefined && (best === undefined || at < best.at)) best = { router, at };
    }
    return best;
  }

  private router(name: string): Router {
    const router = this.routers.get(name);
    if (router === undefined) throw new Error(`no router ${name}`);
    return router;
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

function parameters(command: Command, base: RouterParameters | undefined): RouterParameters {
  const { options } = command;
  const time = (key: string, from: DurationUs | undefined, otherwise: string): DurationUs => {
    const text = options.get(key);
    return text === undefined ? (from ?? duration(otherwise)) : duration(text);
  };
  const count = (key: string, from: number | undefined, otherwise: number): number =>
    Number(options.get(key) ?? from ?? otherwise);
  const yes = (key: string, from: boolean | undefined, otherwise: boolean): boolean =>
    options.has(key) ? options.get(key) !== "no" : (from ?? otherwise);
  const version = count("version", base?.version, 2) === 3 ? 3 : 2;
  return {
    name: base?.name ?? command.words[0] ?? "",
    version,
    virtualRouterId: 1,
    priority: count("priority", base?.priority, 100),
    advertInterval: time("interval", base?.advertInterval, "1s"),
    downTimerAdverts: count("down-adverts", base?.downTimerAdverts, 3),
    preempt: yes("preempt", base?.preempt, true),
    preemptDelay: time("preempt-delay", base?.preemptDelay, "0s"),
    addresses: options.get("vips")?.split(",").map(ip) ?? base?.addresses ?? [ip(DEFAULT_VIPS)],
    garp: {
      masterDelay: time("garp-delay", base?.garp.masterDelay, "0s"),
      masterRepeat: count("garp-repeat", base?.garp.masterRepeat, 5),
      masterRefresh: time("garp-refresh", base?.garp.masterRefresh, "0s"),
      masterRefreshRepeat: count("garp-refresh-repeat", base?.garp.masterRefreshRepeat, 1),
      lowerPrioDelay: time("lower-prio-delay", base?.garp.lowerPrioDelay, "0s"),
      lowerPrioRepeat: count("lower-prio-repeat", base?.garp.lowerPrioRepeat, 5),
      extraInterval: time("garp-extra", base?.garp.extraInterval, "0s"),
    },
    higherPrioSendAdvert: yes("higher-prio-send-advert", base?.higherPrioSendAdvert, false),
    lowerPrioNoAdvert: yes("lower-prio-no-advert", base?.lowerPrioNoAdvert, false),
    skipCheckAdvAddr: yes("skip-check-adv-addr", base?.skipCheckAdvAddr, false),
    trackPrimary: yes("track-primary", base?.trackPrimary, true),
    inSyncGroup: false,
  };
}

function linkFacts(status: string, address: string | undefined, base: LinkFacts): LinkFacts {
  const primaryAddress = address === undefined ? base.primaryAddress : address === "none" ? undefined : ip(address);
  switch (status) {
    case "up":
      return { ...base, present: true, up: true, primaryAddress };
    case "down":
      return { ...base, present: true, up: false, primaryAddress };
    case "missing":
      return { ...base, present: false, up: false, primaryAddress: undefined };
    default:
      throw new Error(`link status up, down or missing, not ${status}`);
  }
}

function describe(effect: Effect): string {
  switch (effect.kind) {
    case "sendAdvert":
      return `advert priority=${effect.priority}${effect.mayFail ? " mayFail" : ""}`;
    case "addresses":
      return `addresses ${effect.action}`;
    case "announce":
      return `announce x${effect.repeat}${effect.which === "all" ? "" : ` ${effect.which}`}`;
    case "transition":
      return describeTransition(effect.transition);
    case "claim":
      return `claim ${effect.claim.reason} ${keyValues(effect.claim.evidence)}`.trimEnd();
    case "lowerPriorityHeard":
      return `lowerPriorityHeard peer=${effect.peer} priority=${effect.priority}`;
    case "priorityChanged":
      return `priorityChanged ${effect.priority}`;
    case "ignored":
      return `ignored ${effect.input} ${effect.reason}`;
    case "alarm": {
      const { kind, ...rest } = effect.alarm;
      return `alarm ${kind} ${keyValues(rest)}`;
    }
  }
}

function describeTransition({ from, to, reason, evidence }: Transition): string {
  return `${from} -> ${to} ${reason} ${keyValues(evidence)}`;
}

function keyValues(record: object): string {
  return Object.entries(record)
    .map(([key, value]) => `${key}=${value}`)
    .join(" ");
}

function describeRole(state: RouterState): string {
  const { role } = state;
  const deadline = (label: string, at: Us | undefined): string =>
    at === undefined ? "" : ` ${label}=+${formatSeconds(at)}`;
  switch (role.name) {
    case "INIT":
      return "INIT";
    case "FAULT":
      return `FAULT ${role.cause}${role.detail === undefined ? "" : ` (${role.detail})`}${deadline("retry", role.retryAt)}`;
    case "BACKUP": {
      const master = role.master === undefined ? "" : ` master=${role.master.address}/${role.master.priority}`;
      const claim = role.claim === undefined ? "" : " claims";
      return `BACKUP${claim}${deadline("masterDown", role.masterDownAt)}${deadline("preempt", role.preemptAt)}${master}`;
    }
    case "MASTER": {
      const { againAt, refreshAt, extraAt, lowerPrioAt } = role.announcements;
      const rounds: readonly [string, Us | undefined][] = [
        ["announce", againAt],
        ["refresh", refreshAt],
        ["extra", extraAt],
        ["lowerPrio", lowerPrioAt],
      ];
      return `MASTER${deadline("advert", role.nextAdvertAt)}${rounds.map(([label, at]) => deadline(label, at)).join("")}`;
    }
  }
}

function required(command: Command, key: string): string {
  const value = command.options.get(key);
  if (value === undefined) throw new Error(`${command.name} needs ${key}=`);
  return value;
}

function duration(text: string): DurationUs {
  const match = /^(\d+(?:\.\d+)?)(us|ms|s)$/.exec(text);
  if (match === null) throw new Error(`not a duration: ${text}`);
  const value = Number(match[1]);
  if (match[2] === "s") return seconds(value);
  return durationUs(match[2] === "ms" ? value * 1000 : value);
}

function formatSeconds(at: number): string {
  return `${(at / 1_000_000).toFixed(6).replace(/\.?0+$/, "")}s`;
}
