import { durationUs } from "../../core/units.ts";
import type { WrittenOrDefault } from "../keywords/row.ts";
import type { TrackLine, WeightValue } from "../keywords/tracking.ts";
import { OWNER_PRIORITY } from "../keywords/vrrpInstance.ts";
import type {
  TrackConfig,
  TrackFileConfig,
  TrackProcessConfig,
  TrackReference,
  VrrpScriptConfig,
} from "../vrrp.types.ts";
import { effectivePriority, interfaceOf, memberNames, syncGroupOf } from "./effective.ts";
import type { ParsedFile, ParsedGlobal, ParsedInstance, ParsedSyncGroup } from "./parsed.ts";

/** What counts for an instance: its own trackers and those of its sync group, each with the weight that holds. */

type TrackValues = Pick<ParsedSyncGroup["values"], "track_interface" | "track_script" | "track_file" | "track_process">;

const KINDS = {
  interfaces: "track_interface",
  scripts: "track_script",
  files: "track_file",
  processes: "track_process",
} as const;
type Kind = keyof typeof KINDS;

const NO_WEIGHT: WeightValue = { weight: 0, reverse: undefined };

export function buildTracking(file: ParsedFile, global: ParsedGlobal, instance: ParsedInstance): TrackConfig {
  const group = syncGroupOf(file, instance);
  const sources = trackersOfGroup(file, instance, group);
  const owner = effectivePriority(instance.values) === OWNER_PRIORITY;
  const ofKind = (kind: Kind): readonly TrackReference[] => {
    const merged = new Map<string, TrackReference>();
    for (const { values, weighted } of sources) {
      for (const { value } of values[KINDS[kind]]) {
        if (merged.has(value.name)) continue;
        const reference = resolve(value, definedWeight(file, kind, value.name));
        // An owner's priority never changes (RFC 3768 5.3.4): as in keepalived, only its faults count.
        if (owner && reference.weight !== 0) continue;
        merged.set(value.name, weighted ? reference : { ...reference, weight: 0 });
      }
    }
    if (kind === "interfaces") merged.delete(interfaceOf(instance.values, global) ?? "");
    return [...merged.values()];
  };
  return {
    interfaces: ofKind("interfaces"),
    scripts: ofKind("scripts"),
    files: ofKind("files"),
    processes: ofKind("processes"),
  };
}

/** The group's trackers win over the member's; a member's weights are 0 unless the group says that they count. */
function trackersOfGroup(
  file: ParsedFile,
  instance: ParsedInstance,
  group: ParsedSyncGroup | undefined,
): readonly { readonly values: TrackValues; readonly weighted: boolean }[] {
  if (group === undefined) return [{ values: instance.values, weighted: true }];
  const weighted = group.values.sync_group_tracking_weight !== undefined;
  const own = { values: instance.values, weighted };
  if (group.values.global_tracking === undefined) return [{ values: group.values, weighted: true }, own];
  const members = memberNames(group);
  const others = file.vrrp_instance.filter((each) => each !== instance && members.includes(each.header));
  return [{ values: group.values, weighted: true }, own, ...others.map(({ values }) => ({ values, weighted }))];
}

function resolve({ name, weight }: TrackLine, defined: WeightValue): TrackReference {
  return {
    name,
    weight: weight?.weight ?? defined.weight,
    reverse: weight?.reverse ?? defined.reverse ?? false,
  };
}

/** The weight that counts where a line writes none. */
function definedWeight(file: ParsedFile, kind: Kind, name: string): WeightValue {
  const named = <
    Block extends { readonly header: string; readonly values: { readonly weight: WrittenOrDefault<WeightValue> } },
  >(
    blocks: readonly Block[],
  ) => blocks.find(({ header }) => header === name)?.values.weight.value ?? NO_WEIGHT;
  switch (kind) {
    case "interfaces":
      return NO_WEIGHT;
    case "scripts":
      return named(file.vrrp_script);
    case "files":
      return named(file.track_file);
    case "processes":
      return named(file.vrrp_track_process);
  }
}

/** The weight of a line of `track_*` as it will count, before sync groups and owners are looked at. */
export function writtenWeight(file: ParsedFile, keyword: (typeof KINDS)[Kind], line: TrackLine): number {
  const kind = (Object.keys(KINDS) as Kind[]).find((each) => KINDS[each] === keyword) ?? "interfaces";
  return resolve(line, definedWeight(file, kind, line.name)).weight;
}

export function buildScripts(file: ParsedFile): readonly VrrpScriptConfig[] {
  return file.vrrp_script.flatMap(({ header, values }) =>
    values.script === undefined
      ? []
      : [
          {
            name: header,
            command: {
              arguments: values.script.value,
              user: values.user?.value.user,
              group: values.user?.value.group,
            },
            interval: values.interval.value,
            timeout: values.timeout?.value ?? values.interval.value,
            rise: values.rise.value,
            fall: values.fall.value,
            initFail: values.init_fail !== undefined,
          },
        ],
  );
}

export function buildTrackProcesses(file: ParsedFile): readonly TrackProcessConfig[] {
  return file.vrrp_track_process.flatMap(({ header, values }) => {
    const [process, ...parameters] = values.process?.value ?? [];
    if (process === undefined) return [];
    const delay = values.delay?.value ?? durationUs(0);
    // "To specify that a command must have no parameters, don't specify any parameters, but specify param_match."
    const compared = parameters.length > 0 || values.param_match !== undefined;
    return [
      {
        name: header,
        process,
        parameters: compared ? parameters : undefined,
        parameterMatch: values.param_match?.value ?? "exact",
        fullCommand: values.full_command !== undefined,
        quorum: values.quorum.value,
        quorumMax: values.quorum_max?.value,
        forkDelay: values.fork_delay?.value ?? delay,
        terminateDelay: values.terminate_delay?.value ?? delay,
      },
    ];
  });
}

export function buildTrackFiles(file: ParsedFile): readonly TrackFileConfig[] {
  return file.track_file.flatMap(({ header, values }) =>
    values.file === undefined ? [] : [{ name: header, path: values.file.value, initialize: values.init_file?.value }],
  );
}
