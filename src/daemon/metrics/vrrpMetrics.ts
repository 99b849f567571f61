import { US_PER_SECOND } from "../../core/units.ts";
import type { InstanceStatus, PeerStatus } from "../../workers/vrrp/protocol.ts";
import type { DaemonStatus } from "../control.types.ts";
import { each, type Metric, secondsOf, single } from "./types.ts";

const STATES = ["INIT", "BACKUP", "MASTER", "FAULT"] as const;

const instances = ({ vrrp }: DaemonStatus): readonly InstanceStatus[] => vrrp.instances;

/** A row with one value for each instance. */
function ofInstance(
  type: "gauge" | "counter",
  name: string,
  help: string,
  value: (instance: InstanceStatus) => number | boolean | undefined,
): Metric {
  return each(type, name, help, ["instance"], instances, (it) => ({ labels: [it.name], value: value(it) }));
}

/** A row with several values for each instance, by further labels. */
function within<T>(
  type: "gauge" | "counter",
  name: string,
  help: string,
  labels: readonly string[],
  items: (instance: InstanceStatus) => readonly T[],
  sample: (item: T) => { readonly labels: readonly string[]; readonly value: number | boolean | undefined },
): Metric {
  const all = (status: DaemonStatus) =>
    instances(status).flatMap((instance) => items(instance).map((item) => ({ instance, item })));
  return each(type, name, help, ["instance", ...labels], all, ({ instance, item }) => {
    const found = sample(item);
    return { labels: [instance.name, ...found.labels], value: found.value };
  });
}

const entries = (counts: Readonly<Record<string, number>>): [string, number][] => Object.entries(counts);

function countBy<T>(items: readonly T[], key: (item: T) => string): [string, number][] {
  const counts: Record<string, number> = {};
  for (const item of items) counts[key(item)] = (counts[key(item)] ?? 0) + 1;
  return entries(counts);
}

const objects = ({ routes, rules }: InstanceStatus) => [
  { kind: "route", list: routes },
  { kind: "rule", list: rules },
];

const peer = (it: PeerStatus, value: number | boolean | undefined) => ({ labels: [it.address], value });

const INSTANCE_METRICS: readonly Metric[] = [
  within(
    ...(["gauge", "holdfast_vrrp_state", "1 for the state that the instance is in, 0 for the others."] as const),
    ["state"],
    ({ state }) => STATES.map((each) => ({ each, state })),
    (it) => ({ labels: [it.each], value: it.each === it.state }),
  ),
  ofInstance(
    "gauge",
    "holdfast_vrrp_last_transition_timestamp_seconds",
    "When the instance came into its state.",
    ({ last }) => (last === undefined ? undefined : secondsOf(last.atMs)),
  ),
  ofInstance(
    "gauge",
    "holdfast_vrrp_priority",
    "Effective priority: what is advertised.",
    (it) => it.priorityEffective,
  ),
  ofInstance("gauge", "holdfast_vrrp_priority_configured", "Priority of the configuration.", (it) => it.priority),
  within(
    ...(["gauge", "holdfast_vrrp_fault", "1 for each tracked thing that forces FAULT."] as const),
    ["kind", "name"],
    ({ faults }) => faults,
    ({ kind, name }) => ({ labels: [kind, name], value: 1 }),
  ),
  within(
    ...(["gauge", "holdfast_vrrp_alarms", "Alarms that are raised and not over, by kind."] as const),
    ["kind"],
    ({ alarms }) => countBy(alarms, ({ kind }) => kind),
    ([kind, value]) => ({ labels: [kind], value }),
  ),
  ofInstance("counter", "holdfast_vrrp_adverts_sent_total", "Adverts handed to the kernel.", (it) => it.advertsSent),
  ofInstance(
    "counter",
    "holdfast_vrrp_adverts_received_total",
    "Adverts that were acted on.",
    (it) => it.advertsReceived,
  ),
  within(
    ...([
      "counter",
      "holdfast_vrrp_adverts_discarded_total",
      "Adverts for the instance, not acted on, by reason.",
    ] as const),
    ["reason"],
    ({ discarded }) => entries(discarded),
    ([reason, value]) => ({ labels: [reason], value }),
  ),
  ofInstance("gauge", "holdfast_vrrp_addresses", "Addresses of the configuration.", (it) => it.addresses.length),
  ofInstance(
    "gauge",
    "holdfast_vrrp_addresses_held",
    "Addresses that this host has now.",
    ({ addresses }) => addresses.filter(({ held }) => held).length,
  ),
  within(
    ...(["gauge", "holdfast_vrrp_objects", "Routes and rules of the configuration."] as const),
    ["kind"],
    objects,
    ({ kind, list }) => ({ labels: [kind], value: list.length }),
  ),
  within(
    ...(["gauge", "holdfast_vrrp_objects_present", "Routes and rules that this host has now."] as const),
    ["kind"],
    objects,
    ({ kind, list }) => ({ labels: [kind], value: list.filter(({ present }) => present).length }),
  ),
  within(
    ...(["gauge", "holdfast_vrrp_peer_silent_seconds", "Since the peer's last advert, or since we listen."] as const),
    ["peer"],
    ({ peers }) => peers,
    (it) => peer(it, it.silentSec),
  ),
  within(
    ...(["gauge", "holdfast_vrrp_peer_claims_master", "1 while the peer must be taken for a master."] as const),
    ["peer"],
    ({ peers }) => peers,
    (it) => peer(it, it.claimsMaster),
  ),
  within(
    ...(["gauge", "holdfast_vrrp_peer_priority", "Priority of the peer's last advert."] as const),
    ["peer"],
    ({ peers }) => peers,
    (it) => peer(it, it.priority),
  ),
];

export const VRRP_METRICS: readonly Metric[] = [
  ...INSTANCE_METRICS,
  each(
    "counter",
    "holdfast_vrrp_transitions_total",
    "Transitions by the state entered and the reason.",
    ["instance", "to", "reason"],
    ({ counts }) => counts.transitions,
    ({ labels, count }) => ({ labels: [labels.instance ?? "", labels.to ?? "", labels.reason ?? ""], value: count }),
  ),
  each(
    "gauge",
    "holdfast_vrrp_group_state",
    "1 for the state that the sync group is in, 0 for the others.",
    ["group", "state"],
    ({ vrrp }) => vrrp.groups.flatMap(({ name, state }) => STATES.map((each) => ({ name, each, state }))),
    (it) => ({ labels: [it.name, it.each], value: it.each === it.state }),
  ),
  each(
    "counter",
    "holdfast_vrrp_group_transitions_total",
    "Transitions of sync groups by the state entered and the reason.",
    ["group", "to", "reason"],
    ({ counts }) => counts.groupTransitions,
    ({ labels, count }) => ({ labels: [labels.group ?? "", labels.to ?? "", labels.reason ?? ""], value: count }),
  ),
  each(
    "counter",
    "holdfast_vrrp_packets_discarded_total",
    "Received packets that were not acted on, by reason, for instances and for none.",
    ["reason"],
    ({ vrrp }) => entries(vrrp.discarded),
    ([reason, value]) => ({ labels: [reason], value }),
  ),
  single(
    "gauge",
    "holdfast_vrrp_announcements_waiting",
    "Gratuitous ARP messages and neighbour advertisements that wait for their turn.",
    ({ vrrp }) => vrrp.announcementsWaiting,
  ),
  single("gauge", "holdfast_vrrp_realtime", "1 when the VRRP thread has real-time priority.", ({ vrrp }) =>
    Number(vrrp.realtime),
  ),
  single("gauge", "holdfast_vrrp_guard_armed", "1 when the guard holds a last will that is not empty.", ({ vrrp }) =>
    Number(vrrp.will.armed),
  ),
  {
    type: "histogram",
    name: "holdfast_vrrp_timer_lateness_seconds",
    help: "How late timers of the VRRP thread were handled.",
    buckets: ({ vrrp }) => ({
      bounds: [...vrrp.timerLateness.boundsUs.map((bound) => bound / US_PER_SECOND), Number.POSITIVE_INFINITY],
      counts: vrrp.timerLateness.counts,
      sum: vrrp.timerLateness.sumUs / US_PER_SECOND,
    }),
  },
  single(
    "gauge",
    "holdfast_vrrp_timer_lateness_max_seconds",
    "The latest timer since the VRRP thread began.",
    ({ vrrp }) => vrrp.timerLateness.maxUs / US_PER_SECOND,
  ),
];
