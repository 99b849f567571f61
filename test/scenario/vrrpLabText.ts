import { ip } from "../../src/core/ip.ts";
import { type DurationUs, durationUs, seconds, type Us } from "../../src/core/units.ts";
import type { GroupTransition } from "../../src/vrrp/syncGroup.ts";
import type {
  Effect,
  LinkFacts,
  RouterParameters,
  RouterState,
  TrackFault,
  Tracking,
  Transition,
} from "../../src/vrrp/types.ts";
import type { Command } from "./script.ts";

/** Words of the scenario files to values of the machine, and its values to lines of the transcript. */

const LINK: LinkFacts = {
  present: true,
  up: true,
  primaryAddress: undefined,
  sourceAddressMissing: false,
  noUnicastPeer: false,
};
const DEFAULT_VIPS = "10.0.2.10";

export function parameters(command: Command, base: RouterParameters | undefined): RouterParameters {
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
    inSyncGroup: base?.inSyncGroup ?? false,
  };
}

export function linkFacts(status: string, address: string | undefined, base: LinkFacts = LINK): LinkFacts {
  const primaryAddress = address === undefined ? base.primaryAddress : address === "none" ? undefined : ip(address);
  switch (status) {
    case "up":
      return { ...LINK, primaryAddress };
    case "down":
      return { ...base, present: true, up: false, primaryAddress };
    case "missing":
      return { ...base, present: false, up: false, primaryAddress: undefined };
    case "source-missing":
      return { ...base, present: true, up: true, primaryAddress, sourceAddressMissing: true };
    case "no-peer":
      return { ...base, present: true, up: true, primaryAddress, noUnicastPeer: true };
    default:
      throw new Error(`link status up, down, missing, source-missing or no-peer, not ${status}`);
  }
}

export function describe(effect: Effect): string {
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

export function describeRole(state: RouterState): string {
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

export function describeGroup({ from, to, reason, evidence }: GroupTransition): string {
  return `${from} -> ${to} ${reason} ${keyValues(evidence)}`.trimEnd();
}

/** `priority=N faults=KIND:NAME,...`; what is not written is as it was. */
export function tracking({ options }: Command, base: Tracking): Tracking {
  const faults = options.get("faults");
  return {
    priority: Number(options.get("priority") ?? base.priority),
    faults: faults === undefined ? base.faults : faults === "none" ? [] : faults.split(",").map(trackFault),
  };
}

const FAULT_KINDS: readonly TrackFault["kind"][] = ["interface", "script", "file", "process", "staticAddress"];

function trackFault(text: string): TrackFault {
  const [word, name = ""] = text.split(":");
  const kind = FAULT_KINDS.find((candidate) => candidate === word);
  if (kind === undefined) throw new Error(`not a kind of tracker: ${word}`);
  return { kind, name };
}

export function required(command: Command, key: string): string {
  const value = command.options.get(key);
  if (value === undefined) throw new Error(`${command.name} needs ${key}=`);
  return value;
}

export function duration(text: string): DurationUs {
  const match = /^(\d+(?:\.\d+)?)(us|ms|s)$/.exec(text);
  if (match === null) throw new Error(`not a duration: ${text}`);
  const value = Number(match[1]);
  if (match[2] === "s") return seconds(value);
  return durationUs(match[2] === "ms" ? value * 1000 : value);
}

export function formatSeconds(at: number): string {
  return `${(at / 1_000_000).toFixed(6).replace(/\.?0+$/, "")}s`;
}
