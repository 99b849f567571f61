import { US_PER_SECOND } from "../../core/units.ts";
import type { DaemonStatus } from "../control.types.ts";
import { each, type Metric, secondsOf, single } from "./types.ts";

/** The process, its configuration, what is tracked and what is told. */

const scripts = ({ trackers }: DaemonStatus) => trackers.filter((tracker) => tracker.kind === "script");
const queues = ({ notifications }: DaemonStatus) => notifications.scripts;
const fifos = ({ notifications }: DaemonStatus) => notifications.fifos;

const PROCESS_METRICS: readonly Metric[] = [
  each(
    ...(["gauge", "holdfast_info", "Always 1; the version is in its label."] as const),
    ["version"],
    (status) => [status],
    ({ version }) => ({ labels: [version], value: 1 }),
  ),
  single("gauge", "holdfast_start_time_seconds", "When the daemon began.", (it) => secondsOf(it.startedAtMs)),
  single(
    "counter",
    "holdfast_cpu_seconds_total",
    "Processor time of the whole daemon.",
    (it) => it.usage.cpuUs / US_PER_SECOND,
  ),
  single("gauge", "holdfast_resident_memory_bytes", "Memory of the whole daemon.", (it) => it.usage.residentBytes),
  single("gauge", "holdfast_guard_running", "1 while the guard runs.", (it) => Number(it.guard !== undefined)),
  single("gauge", "holdfast_config_loaded_timestamp_seconds", "When the running configuration was read.", (it) =>
    secondsOf(it.configuration.loadedAtMs),
  ),
  single("gauge", "holdfast_config_reload_refused", "1 when the last reload was refused.", (it) =>
    Number(it.configuration.lastError !== undefined),
  ),
  each(
    ...(["counter", "holdfast_events_total", "Everything that is logged as an event, by its kind."] as const),
    ["kind"],
    ({ counts }) => counts.events,
    ({ labels, count }) => ({ labels: [labels.kind ?? ""], value: count }),
  ),
];

const TRACK_METRICS: readonly Metric[] = [
  each(
    ...(["gauge", "holdfast_track_value", "Script and process: 1 up, 0 down. File: its number."] as const),
    ["kind", "name"],
    ({ trackers }) => trackers,
    ({ kind, name, value }) => ({ labels: [kind, name], value }),
  ),
  each(
    ...(["gauge", "holdfast_track_changed_timestamp_seconds", "When the value became what it is."] as const),
    ["kind", "name"],
    ({ trackers }) => trackers,
    ({ kind, name, sinceMs }) => ({
      labels: [kind, name],
      value: sinceMs === undefined ? undefined : secondsOf(sinceMs),
    }),
  ),
  each(
    ...(["counter", "holdfast_track_script_runs_total", "Runs of a tracked script."] as const),
    ["name"],
    scripts,
    ({ name, runs }) => ({ labels: [name], value: runs }),
  ),
  each(
    ...([
      "counter",
      "holdfast_track_script_failures_total",
      "Runs of a tracked script that spoke against it.",
    ] as const),
    ["name"],
    scripts,
    ({ name, failures }) => ({ labels: [name], value: failures }),
  ),
  each(
    ...(["gauge", "holdfast_track_script_duration_seconds", "How long the last run took."] as const),
    ["name"],
    scripts,
    ({ name, last }) => ({ labels: [name], value: last === undefined ? undefined : last.tookMs / 1_000 }),
  ),
];

const NOTIFY_METRICS: readonly Metric[] = [
  each(
    ...(["counter", "holdfast_notify_scripts_started_total", "Notify scripts that were started."] as const),
    ["subject", "name"],
    queues,
    ({ subject, name, started }) => ({ labels: [subject, name], value: started }),
  ),
  each(
    ...([
      "counter",
      "holdfast_notify_scripts_failed_total",
      "Notify scripts that failed or could not be started.",
    ] as const),
    ["subject", "name"],
    queues,
    ({ subject, name, failed }) => ({ labels: [subject, name], value: failed }),
  ),
  each(
    ...([
      "counter",
      "holdfast_notify_scripts_dropped_total",
      "Notify scripts that were given up before they began.",
    ] as const),
    ["subject", "name"],
    queues,
    ({ subject, name, dropped }) => ({ labels: [subject, name], value: dropped }),
  ),
  each(
    ...(["counter", "holdfast_notify_fifo_lines_total", "Lines written to a notify FIFO."] as const),
    ["path"],
    fifos,
    ({ path, written }) => ({ labels: [path], value: written }),
  ),
  each(
    ...(["counter", "holdfast_notify_fifo_dropped_total", "Lines given up because nobody read the FIFO."] as const),
    ["path"],
    fifos,
    ({ path, dropped }) => ({ labels: [path], value: dropped }),
  ),
  each(
    ...(["gauge", "holdfast_notify_fifo_waiting", "Lines that wait for room in the FIFO."] as const),
    ["path"],
    fifos,
    ({ path, waiting }) => ({ labels: [path], value: waiting }),
  ),
  single(
    "counter",
    "holdfast_mails_sent_total",
    "Mails that the server took.",
    ({ notifications: { mail } }) => mail.sent,
  ),
  single(
    "counter",
    "holdfast_mails_failed_total",
    "Mails that it did not.",
    ({ notifications: { mail } }) => mail.failed,
  ),
  single(
    "counter",
    "holdfast_mails_dropped_total",
    "Mails given up because too many waited.",
    ({ notifications: { mail } }) => mail.dropped,
  ),
  single("gauge", "holdfast_mails_waiting", "Mails that wait.", ({ notifications: { mail } }) => mail.waiting),
];

const KICK_METRICS: readonly Metric[] = [
  each(
    ...([
      "gauge",
      "holdfast_kick_listening",
      "1 while kicks are taken by HTTP; absent without `kick_listen`.",
    ] as const),
    [],
    ({ kickDoor }) => (kickDoor === undefined ? [] : [kickDoor]),
    ({ listening }) => ({ labels: [], value: listening }),
  ),
  each(
    ...(["counter", "holdfast_kick_requests_total", "HTTP requests at `kick_listen`, by how they ended."] as const),
    ["result"],
    ({ kickDoor }) => kickDoor?.requests ?? [],
    ({ labels, count }) => ({ labels: [labels.result ?? ""], value: count }),
  ),
];

export const HOST_METRICS: readonly Metric[] = [
  ...PROCESS_METRICS,
  ...TRACK_METRICS,
  ...NOTIFY_METRICS,
  ...KICK_METRICS,
];
