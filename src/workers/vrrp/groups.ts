import type { SyncGroupConfig } from "../../config/vrrp.types.ts";
import type { Us } from "../../core/units.ts";
import {
  type GroupState,
  type GroupTransition,
  groupDeadline,
  initialGroupState,
  type MemberStanding,
  settleGroup,
  summarize,
  withMembers,
} from "../../vrrp/syncGroup.ts";
import type { VrrpInstance } from "./instance.ts";
import type { GroupStatus } from "./protocol.ts";

export interface GroupModules {
  readonly nowUs: () => Us;
  readonly instance: (name: string) => VrrpInstance | undefined;
  readonly transition: (group: string, transition: GroupTransition) => void;
  /** Before each step of a group. */
  readonly record: (group: string, at: Us) => void;
}

/** The sync groups of this host: asked whenever a member's standing is another, their commands fed to the members. */
export class Groups {
  readonly #states = new Map<string, GroupState>();
  readonly #groupOf = new Map<string, string>();
  readonly #standings = new Map<string, MemberStanding>();
  /** Groups with a member that changed, not yet asked. */
  readonly #changed = new Set<string>();
  #settling = false;
  readonly #modules: GroupModules;

  constructor(modules: GroupModules) {
    this.#modules = modules;
  }

  get states(): readonly GroupState[] {
    return [...this.#states.values()];
  }

  groupOf(instance: string): string | undefined {
    return this.#groupOf.get(instance);
  }

  configure(groups: readonly SyncGroupConfig[]): void {
    const names = new Set(groups.map(({ name }) => name));
    for (const name of this.#states.keys()) if (!names.has(name)) this.#states.delete(name);
    this.#groupOf.clear();
    this.#standings.clear();
    for (const { name, members } of groups) {
      const known = this.#states.get(name);
      this.#states.set(name, known === undefined ? initialGroupState(name, members) : withMembers(known, members));
      for (const member of members) this.#groupOf.set(member, name);
    }
  }

  /** Of a predecessor, in whose place we go on. */
  adopt(states: readonly GroupState[]): void {
    for (const state of states) {
      const known = this.#states.get(state.name);
      if (known !== undefined) this.#states.set(state.name, withMembers(state, known.members));
    }
  }

  /** An instance has stepped: its group is asked when the machines rest. */
  stepped(instance: VrrpInstance): void {
    const group = this.#groupOf.get(instance.name);
    if (group === undefined) return;
    const { standing } = instance;
    if (this.#standings.get(instance.name) === standing) return;
    this.#standings.set(instance.name, standing);
    this.#changed.add(group);
  }

  /** When a group must be asked although no member has changed. */
  get deadline(): Us | undefined {
    let soonest: Us | undefined;
    for (const group of this.#states.values()) {
      const at = groupDeadline(group);
      if (at !== undefined && (soonest === undefined || at < soonest)) soonest = at;
    }
    return soonest;
  }

  onDeadline(now: Us): void {
    for (const group of this.#states.values()) {
      const at = groupDeadline(group);
      if (at !== undefined && now >= at) this.#changed.add(group.name);
    }
  }

  /** A member changed, and its group was not asked yet. */
  get isWaiting(): boolean {
    return this.#changed.size > 0;
  }

  /** Asks every group with a changed member until all rest. Not to be called from within a machine's effects. */
  settle(): void {
    if (this.#settling || this.#changed.size === 0) return;
    this.#settling = true;
    try {
      for (let name = first(this.#changed); name !== undefined; name = first(this.#changed)) {
        this.#changed.delete(name);
        this.#settleOne(name);
      }
    } finally {
      this.#settling = false;
    }
  }

  status(): GroupStatus[] {
    return this.states.map(({ name, role, members }) => ({ name, state: role, members }));
  }

  #settleOne(name: string): void {
    const group = this.#states.get(name);
    const { instance, nowUs, record, transition } = this.#modules;
    const members = group?.members.map((member) => instance(member));
    // In the midst of a new configuration: asked again by the members that come.
    if (group === undefined || members === undefined || !members.every((member) => member !== undefined)) return;
    const told = settleGroup({
      group: () => this.#states.get(name) ?? group,
      keep: (state) => this.#states.set(name, state),
      members: () => members.map((member) => summarize(member.state)),
      command: (command) => instance(command.instance)?.feed(command.input),
      nowUs: () => {
        const now = nowUs();
        record(name, now);
        return now;
      },
    });
    if (told !== undefined) transition(name, told);
  }
}

function first<T>(set: ReadonlySet<T>): T | undefined {
  const next = set.values().next();
  return next.done === true ? undefined : next.value;
}
