import type { BorrowedSettings, HeldSetting, SettingOutcome } from "../core/borrowed.ts";

/** Where settings are: undefined = there is none of this name. */
export interface SettingAccess {
  read(name: string): string | undefined;
  write(name: string, value: string): { readonly ok: true } | { readonly ok: false; readonly code: string };
}

/** Remembers over a restart what was borrowed. */
export interface BorrowedSettingsStore {
  readBorrowedSettings(): readonly HeldSetting[];
  writeBorrowedSettings(held: readonly HeldSetting[]): void;
}

/**
 * Settings that are set for a time. The record is written before the setting: a death in between leaves one that says what is
 * there anyway. Somebody else's change counts: a setting that is not what we wrote is not given back.
 */
export class HostBorrowedSettings implements BorrowedSettings {
  readonly #access: SettingAccess;
  readonly #store: BorrowedSettingsStore;
  /** Read when first needed: a successor is made while its predecessor still writes. */
  #remembered: Map<string, HeldSetting> | undefined;

  constructor(access: SettingAccess, store: BorrowedSettingsStore) {
    this.#access = access;
    this.#store = store;
  }

  hold(name: string, value: string): SettingOutcome {
    const current = this.#access.read(name);
    if (current === undefined) return { ok: false, detail: `${name} does not exist` };
    const before = this.#held.get(name);
    if (current === value) {
      // What was so before us is nobody's to give back; what we wrote stays borrowed.
      if (before !== undefined && before.value !== value) this.#record(name, { ...before, value });
      return { ok: true, changed: undefined };
    }
    const own = before !== undefined && current === before.value;
    this.#record(name, { name, before: own ? before.before : current, value });
    const written = this.#access.write(name, value);
    if (written.ok) return { ok: true, changed: current };
    this.#record(name, own ? before : undefined);
    return { ok: false, detail: `${name} cannot be set to ${value}: ${written.code}` };
  }

  release(name: string): SettingOutcome {
    const held = this.#held.get(name);
    if (held === undefined) return { ok: true, changed: undefined };
    const current = this.#access.read(name);
    if (current === held.value && current !== held.before) {
      const written = this.#access.write(name, held.before);
      // Still recorded: the next start tries again.
      if (!written.ok) return { ok: false, detail: `${name} cannot be set back to ${held.before}: ${written.code}` };
    }
    this.#record(name, undefined);
    return { ok: true, changed: current };
  }

  held(): readonly HeldSetting[] {
    return [...this.#held.values()];
  }

  get #held(): Map<string, HeldSetting> {
    this.#remembered ??= new Map(this.#store.readBorrowedSettings().map((each) => [each.name, each]));
    return this.#remembered;
  }

  #record(name: string, held: HeldSetting | undefined): void {
    if (held === undefined) this.#held.delete(name);
    else this.#held.set(name, held);
    this.#store.writeBorrowedSettings(this.held());
  }
}
