/** A setting of the host that is another while holdfast runs. Plain data: a next life or a successor gives back what it inherits. */
export interface HeldSetting {
  /** A path below /proc/sys/net (`ipv4/vs/sloppy_tcp`), or `timeout tcp` of IPVS. */
  readonly name: string;
  /** Before us; what a release puts back. */
  readonly before: string;
  readonly value: string;
}

export type SettingOutcome =
  /** `changed`: what it was just before this call; undefined where nothing had to be written. */
  | { readonly ok: true; readonly changed: string | undefined }
  /** `code` is the errno's name; ENOENT where there is no such setting. */
  | { readonly ok: false; readonly code: string; readonly detail: string };

/** Where settings are: undefined = there is none of this name. */
export interface SettingAccess {
  read(name: string): string | undefined;
  write(name: string, value: string): { readonly ok: true } | { readonly ok: false; readonly code: string };
}

/** Remembers over our death what was borrowed. */
export interface BorrowedSettingsStore {
  readBorrowedSettings(): readonly HeldSetting[];
  writeBorrowedSettings(held: readonly HeldSetting[]): void;
}

/**
 * Settings of the host that are not ours, set while something needs them and given back afterwards. The record is written
 * before the setting: a death in between leaves one that says what is there anyway. Somebody else's change counts: a setting
 * that is not what we wrote is not given back.
 */
export class BorrowedSettings {
  readonly #access: SettingAccess;
  readonly #store: BorrowedSettingsStore;
  /** In the order in which they were borrowed. Read when first needed: a successor is made while its predecessor still writes. */
  #remembered: Map<string, HeldSetting> | undefined;

  constructor(access: SettingAccess, store: BorrowedSettingsStore) {
    this.#access = access;
    this.#store = store;
  }

  /** Sets one to `value` and keeps it so; called again it repairs what others changed. */
  hold(name: string, value: string): SettingOutcome {
    const current = this.#access.read(name);
    if (current === undefined) return { ok: false, code: "ENOENT", detail: `${name} does not exist` };
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
    return { ok: false, code: written.code, detail: `${name} cannot be set to ${value}: ${written.code}` };
  }

  /** Gives one back, unless somebody has changed it since. Nothing where it is not held. */
  release(name: string): SettingOutcome {
    const held = this.#held.get(name);
    if (held === undefined) return { ok: true, changed: undefined };
    const current = this.#access.read(name);
    const isOurs = current === held.value && current !== held.before;
    if (isOurs) {
      const written = this.#access.write(name, held.before);
      // Still recorded: the next start tries again.
      if (!written.ok) {
        const detail = `${name} cannot be set back to ${held.before}: ${written.code}`;
        return { ok: false, code: written.code, detail };
      }
    }
    this.#record(name, undefined);
    return { ok: true, changed: isOurs ? current : undefined };
  }

  /** Gives back, the last first, all but those that something still needs. Returns what was refused, in words. */
  releaseUnless(needed: (name: string) => boolean): readonly string[] {
    return this.held()
      .toReversed()
      .flatMap(({ name }) => {
        const outcome = needed(name) ? undefined : this.release(name);
        return outcome?.ok === false ? [outcome.detail] : [];
      });
  }

  /** What a predecessor has borrowed, and found before that, is ours to give back. */
  inherit(settings: readonly HeldSetting[]): void {
    for (const setting of settings) this.#held.set(setting.name, setting);
    this.#store.writeBorrowedSettings(this.held());
  }

  /** Those that are held, also by an earlier life. */
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
