import { effectivePriority, interfaceOf, syncGroupOf } from "../build/effective.ts";
import type { ParsedFile, ParsedSyncGroup } from "../build/parsed.ts";
import { writtenWeight } from "../build/tracking.ts";
import type { DiagnosticList } from "../diagnostics.ts";
import { shown } from "../keywords/kinds.ts";
import type { Written } from "../keywords/row.ts";
import type { TrackLine } from "../keywords/tracking.ts";
import { OWNER_PRIORITY } from "../keywords/vrrpInstance.ts";
import type { Word } from "../lexer.ts";
import { nearest } from "../suggest.ts";
import type { SourceSpan } from "../types.ts";
import { type FileRule, reportRepeated } from "./rule.ts";

/** What instances and groups track. */

const KEYWORDS = ["track_interface", "track_script", "track_file", "track_process"] as const;
type TrackKeyword = (typeof KEYWORDS)[number];
type TrackValues = Pick<ParsedSyncGroup["values"], TrackKeyword>;

interface Tracking {
  /** `vrrp_instance A` */
  readonly owner: string;
  readonly values: TrackValues;
}

const trackersOf = (file: ParsedFile): readonly Tracking[] => [
  ...file.vrrp_instance.map(({ header, values }) => ({ owner: `vrrp_instance ${header}`, values })),
  ...file.vrrp_sync_group.map(({ header, values }) => ({ owner: `vrrp_sync_group ${header}`, values })),
];

/** The blocks that lines of a keyword name; interfaces are the host's. */
function definitionsOf(
  file: ParsedFile,
  keyword: TrackKeyword,
): { readonly block: string; readonly names: string[] } | undefined {
  switch (keyword) {
    case "track_interface":
      return undefined;
    case "track_script":
      return { block: "vrrp_script", names: file.vrrp_script.map(({ header }) => header) };
    case "track_file":
      return { block: "track_file", names: file.track_file.map(({ header }) => header) };
    case "track_process":
      return { block: "vrrp_track_process", names: file.vrrp_track_process.map(({ header }) => header) };
  }
}

const trackersExist: FileRule = ({ file }, found) => {
  for (const { values } of trackersOf(file)) {
    for (const keyword of KEYWORDS) {
      const definitions = definitionsOf(file, keyword);
      if (definitions === undefined) continue;
      for (const { value } of values[keyword]) {
        if (definitions.names.includes(value.name)) continue;
        reportUnknownName(keyword, value.words.name, definitions, found);
      }
    }
  }
};

/** A name of a block that is not there, with the nearest that is. */
export function reportUnknownName(
  keyword: string,
  { text, at }: Word,
  { block, names }: { readonly block: string; readonly names: readonly string[] },
  found: DiagnosticList,
): void {
  const suggestion = nearest(text, names);
  const remedy =
    suggestion !== undefined
      ? `did you mean ${suggestion}?`
      : names.length === 0
        ? `add a block ${block} of this name`
        : `add a block ${block} of this name, or name one of those there: ${names.slice(0, 10).join(", ")}`;
  found.error("unknown-name", at, `${keyword}: there is no ${block} ${shown(text)}`, remedy);
}

const trackersAreListedOnce: FileRule = ({ file }, found) => {
  for (const { owner, values } of trackersOf(file)) {
    for (const keyword of KEYWORDS) {
      const lines: readonly Written<TrackLine>[] = values[keyword];
      reportRepeated(
        lines,
        ({ value }) => value.name,
        ({ value, at }, first) => {
          const message = `${keyword}: ${value.name} is listed already in line ${first.at.line}, in ${owner}`;
          found.error("duplicate-tracker", at, message, "keep one of the lines");
        },
      );
    }
  }
};

const membersDoNotRepeatTheGroup: FileRule = ({ file }, found) => {
  for (const instance of file.vrrp_instance) {
    const group = syncGroupOf(file, instance);
    if (group === undefined) continue;
    for (const keyword of KEYWORDS) {
      const ofGroup = new Map(group.values[keyword].map(({ value, at }) => [value.name, at]));
      for (const { value, at } of instance.values[keyword]) {
        const first = ofGroup.get(value.name);
        if (first === undefined) continue;
        const message = `${keyword}: ${value.name} is tracked by vrrp_sync_group ${group.header} already (line ${first.line}), whose line counts`;
        found.warning("tracker-of-group", at, message, "remove one of the two lines");
      }
    }
  }
};

const ownInterfaceIsTrackedAnyway: FileRule = ({ file, global }, found) => {
  for (const { header, values } of file.vrrp_instance) {
    for (const { value, at } of values.track_interface) {
      if (value.name !== interfaceOf(values, global)) continue;
      const message = `track_interface: ${value.name} is the interface of vrrp_instance ${header}, which always counts; this line has no effect`;
      found.warning("tracks-own-interface", at, message, "remove it");
    }
  }
};

/** RFC 3768 5.3.4: the owner's priority is 255. keepalived.conf(5): "if the vrrp instance is the address owner, weight 0 must also be set". */
const ownersHaveNoWeights: FileRule = ({ file }, found) => {
  for (const { header, values } of file.vrrp_instance) {
    if (effectivePriority(values) !== OWNER_PRIORITY) continue;
    for (const keyword of KEYWORDS) {
      for (const { value, at } of values[keyword]) {
        const weight = writtenWeight(file, keyword, value);
        if (weight === 0) continue;
        const message = `${keyword}: ${value.name} with weight ${weight} has no effect: vrrp_instance ${header} has priority ${OWNER_PRIORITY}, which never changes`;
        found.warning(
          "weight-of-owner",
          at,
          message,
          "write weight 0, so that its failure is a FAULT, or a priority below 255",
        );
      }
    }
  }
};

/** keepalived.conf(5), VRRP synchronization group(s): "tracking weights automatically set to zero". */
const membersHaveNoWeights: FileRule = ({ file }, found) => {
  for (const instance of file.vrrp_instance) {
    const group = syncGroupOf(file, instance);
    if (group === undefined || group.values.sync_group_tracking_weight !== undefined) continue;
    if (effectivePriority(instance.values) === OWNER_PRIORITY) continue;
    for (const keyword of KEYWORDS) {
      for (const { value, at } of instance.values[keyword]) {
        const weight = writtenWeight(file, keyword, value);
        if (weight === 0 || group.values[keyword].some((each) => each.value.name === value.name)) continue;
        const message = `${keyword}: the weight ${weight} of ${value.name} is taken as 0, because vrrp_instance ${instance.header} is in vrrp_sync_group ${group.header}: its failure is a FAULT of the group`;
        const remedy =
          "write it into the group, where weights count for all members, or sync_group_tracking_weight there";
        found.warning("weight-in-sync-group", at, message, remedy);
      }
    }
  }
};

const trackersAreUsed: FileRule = ({ file }, found) => {
  // A line that was refused may have been the one that names it.
  if (found.hasErrors) return;
  const definitions = [
    ["vrrp_script", "track_script", file.vrrp_script],
    ["track_file", "track_file", file.track_file],
    ["vrrp_track_process", "track_process", file.vrrp_track_process],
  ] as const;
  for (const [block, keyword, defined] of definitions) {
    const used = new Set(trackersOf(file).flatMap(({ values }) => values[keyword].map(({ value }) => value.name)));
    for (const { header, at } of defined) {
      if (used.has(header)) continue;
      const message = `${block} ${header} is tracked by no instance and no group, so it does nothing`;
      found.warning("unused-tracker", at, message, `name it in ${keyword} { ... }, or remove it`);
    }
  }
};

const trackersAreComplete: FileRule = ({ file }, found) => {
  const missing = (block: string, header: string, keyword: string, example: string, at: SourceSpan): void =>
    found.error("missing-keyword", at, `${block} ${header} has no ${keyword}`, `add it, for example: ${example}`);
  for (const { header, at, seen } of file.vrrp_script)
    if (!seen.has("script")) missing("vrrp_script", header, "script", "script /usr/local/bin/check.sh", at);
  for (const { header, at, seen } of file.track_file)
    if (!seen.has("file")) missing("track_file", header, "file", "file /run/holdfast/value", at);
  for (const { header, at, seen, values } of file.vrrp_track_process) {
    if (!seen.has("process")) missing("vrrp_track_process", header, "process", "process haproxy", at);
    const { quorum, quorum_max } = values;
    if (quorum_max === undefined || !quorum.written || quorum_max.value >= quorum.value) continue;
    const message = `quorum_max: ${quorum_max.value} is less than the quorum ${quorum.value}, so it could never be up`;
    found.error("contradiction", quorum_max.at, message, "write the greater number behind quorum_max");
  }
};

/** A run that lasts longer than the interval delays the next one. */
const scriptsEndBeforeTheNextRun: FileRule = ({ file }, found) => {
  for (const { header, values } of file.vrrp_script) {
    if (values.timeout === undefined || values.timeout.value <= values.interval.value) continue;
    const message = `vrrp_script ${header}: a timeout above the interval means that a hanging run delays the next ones`;
    found.warning("trap-script-timeout", values.timeout.at, message, "write a timeout of at most the interval");
  }
};

export const TRACKING_RULES: readonly FileRule[] = [
  trackersAreComplete,
  trackersExist,
  trackersAreListedOnce,
  membersDoNotRepeatTheGroup,
  ownInterfaceIsTrackedAnyway,
  ownersHaveNoWeights,
  membersHaveNoWeights,
  trackersAreUsed,
  scriptsEndBeforeTheNextRun,
];
