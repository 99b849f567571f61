import { assertNever } from "../core/errors.ts";
import type { Us } from "../core/units.ts";
import { step } from "./step.ts";
import { type GroupState, type GroupTransition, groupStep, summarize } from "./syncGroup.ts";
import type { Effect, Input, RouterState, Transition } from "./types.ts";

/**
 * The flight recorder: the last inputs of every machine on this host, from which what happened can be run again through
 * the same code. Two generations: when the newer one is full it becomes the older one, and a new one begins with the
 * state of every machine. So a recording always has a beginning, and memory is bounded. States are immutable values, so
 * a beginning costs no copies.
 */

/** Entries of one generation; a recording has at least this many once there were so many. */
export const GENERATION_ENTRIES_MAX = 20_000;

export interface Recording {
  readonly format: "holdfast-recording-2";
  readonly begin: Snapshot;
  readonly entries: readonly RecordedEntry[];
}

export interface Snapshot {
  readonly instances: readonly RouterState[];
  readonly groups: readonly GroupState[];
}

export type RecordedEntry = { readonly atUs: Us } & (
  | { readonly kind: "input"; readonly instance: string; readonly input: Input }
  /** A step of the group on its members' states at that moment. */
  | { readonly kind: "group"; readonly group: string }
  | { readonly kind: "instanceAdded"; readonly state: RouterState }
  | { readonly kind: "instanceRemoved"; readonly instance: string }
  /** After a reload: all groups of this host. */
  | { readonly kind: "groupsChanged"; readonly groups: readonly GroupState[] }
);

export class Recorder {
  #old: Generation | undefined;
  #current: Generation;
  readonly #snapshot: () => Snapshot;
  readonly #entriesMax: number;

  /** `snapshot` gives the machines as they are at the moment; recording begins with them. */
  constructor(snapshot: () => Snapshot, entriesMax: number = GENERATION_ENTRIES_MAX) {
    this.#snapshot = snapshot;
    this.#entriesMax = entriesMax;
    this.#current = new Generation(snapshot());
  }

  /** To be called before the machine takes the step, so that a new generation begins with what the step begins with. */
  add(entry: RecordedEntry): void {
    this.#writable().add(entry.atUs, entry, undefined);
  }

  /** The same for an input of an instance, without an object of its own for it: there is one for every advert. */
  addInput(instance: string, input: Input, atUs: Us): void {
    this.#writable().add(atUs, instance, input);
  }

  recording(): Recording {
    return {
      format: "holdfast-recording-2",
      begin: (this.#old ?? this.#current).begin,
      entries: [...(this.#old?.entries() ?? []), ...this.#current.entries()],
    };
  }

  #writable(): Generation {
    if (this.#current.size >= this.#entriesMax) {
      this.#old = this.#current;
      this.#current = new Generation(this.#snapshot());
    }
    return this.#current;
  }
}

/** Entries in columns: thousands of them are kept, and the collector is not to walk over objects of each. */
class Generation {
  readonly begin: Snapshot;
  readonly #atUs: Us[] = [];
  /** The name of an input's instance, or any other entry itself. */
  readonly #what: (string | RecordedEntry)[] = [];
  readonly #inputs: (Input | undefined)[] = [];

  constructor(begin: Snapshot) {
    this.begin = begin;
  }

  get size(): number {
    return this.#atUs.length;
  }

  add(atUs: Us, what: string | RecordedEntry, input: Input | undefined): void {
    this.#atUs.push(atUs);
    this.#what.push(what);
    this.#inputs.push(input);
  }

  entries(): RecordedEntry[] {
    return this.#what.map((what, index): RecordedEntry => {
      const input = this.#inputs[index];
      if (typeof what !== "string" || input === undefined) return what as RecordedEntry;
      return { kind: "input", atUs: this.#atUs[index] as Us, instance: what, input };
    });
  }
}

export type ReplayedTransition = { readonly atUs: Us } & (
  | { readonly kind: "instance"; readonly name: string; readonly transition: Transition }
  | { readonly kind: "group"; readonly name: string; readonly transition: GroupTransition }
);

export interface ReplayStep {
  readonly entry: RecordedEntry;
  readonly effects: readonly Effect[];
  readonly transitions: readonly ReplayedTransition[];
}

/** Runs a recording through the machines and gives each entry with what it caused. Throws on a name that no machine has. */
export function* replaySteps({ begin, entries }: Recording): Generator<ReplayStep, Snapshot> {
  const instances = new Map(begin.instances.map((state) => [state.parameters.name, state]));
  const groups = new Map(begin.groups.map((group) => [group.name, group]));
  for (const entry of entries) {
    const { atUs } = entry;
    switch (entry.kind) {
      case "input": {
        const { state, effects } = step(known(instances, entry.instance), entry.input, atUs);
        instances.set(entry.instance, state);
        const name = entry.instance;
        const transitions = effects.flatMap((effect): ReplayedTransition[] =>
          effect.kind === "transition" ? [{ kind: "instance", atUs, name, transition: effect.transition }] : [],
        );
        yield { entry, effects, transitions };
        break;
      }
      case "group": {
        const name = entry.group;
        const group = known(groups, name);
        const members = group.members.map((member) => summarize(known(instances, member)));
        const { state, transition } = groupStep(group, members, atUs);
        groups.set(name, state);
        const transitions: ReplayedTransition[] =
          transition === undefined ? [] : [{ kind: "group", atUs, name, transition }];
        yield { entry, effects: [], transitions };
        break;
      }
      case "instanceAdded":
        instances.set(entry.state.parameters.name, entry.state);
        yield { entry, effects: [], transitions: [] };
        break;
      case "instanceRemoved":
        instances.delete(entry.instance);
        yield { entry, effects: [], transitions: [] };
        break;
      case "groupsChanged":
        groups.clear();
        for (const group of entry.groups) groups.set(group.name, group);
        yield { entry, effects: [], transitions: [] };
        break;
      default:
        assertNever(entry);
    }
  }
  return { instances: [...instances.values()], groups: [...groups.values()] };
}

/** Every transition of a recording, in order. */
export function replay(recording: Recording): ReplayedTransition[] {
  return [...replaySteps(recording)].flatMap((replayed) => replayed.transitions);
}

function known<T>(machines: ReadonlyMap<string, T>, name: string): T {
  const machine = machines.get(name);
  if (machine === undefined) throw new Error(`the recording says nothing of the beginning of ${name}`);
  return machine;
}
