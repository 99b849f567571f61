import type { ChangeOutcome, VrrpHost } from "./ports.ts";

/** A setting of the host that is another while holdfast runs. Plain data: a successor gives back what it inherits. */
export interface BorrowedSetting {
  /** As for `VrrpHost.readSysctl`. */
  readonly path: string;
  readonly before: string;
  readonly written: string;
}

/** Settings of interfaces that are not ours (sysctl), changed for as long as they are needed. */
export class BorrowedSettings {
  readonly #host: Pick<VrrpHost, "readSysctl" | "writeSysctl">;
  /** By path, in the order in which they were borrowed. */
  readonly #borrowed = new Map<string, BorrowedSetting>();
  #changed = false;

  constructor(host: Pick<VrrpHost, "readSysctl" | "writeSysctl">) {
    this.#host = host;
  }

  /** What a successor takes over. */
  get all(): readonly BorrowedSetting[] {
    return [...this.#borrowed.values()];
  }

  /** What is borrowed now, where that is not what it was at the last call. */
  takeChanged(): readonly BorrowedSetting[] | undefined {
    if (!this.#changed) return undefined;
    this.#changed = false;
    return this.all;
  }

  /** What a predecessor borrowed, and found before that. */
  adopt(settings: readonly BorrowedSetting[]): void {
    this.#changed = true;
    for (const setting of settings) this.#borrowed.set(setting.path, setting);
  }

  /** Nothing is done, and nothing to be given back, where the setting does not exist or has this value already. */
  set(path: string, written: string): ChangeOutcome {
    const before = this.#host.readSysctl(path);
    if (before === undefined || before === written) return { ok: true };
    const outcome = this.#host.writeSysctl(path, written);
    if (outcome.ok) {
      this.#borrowed.set(path, { path, before: this.#borrowed.get(path)?.before ?? before, written });
      this.#changed = true;
    }
    return outcome;
  }

  /** Those for which `when` says so become what they were, the last first, where nobody has changed them since. */
  giveBack(when: (path: string) => boolean = () => true): void {
    for (const { path, before, written } of [...this.#borrowed.values()].reverse()) {
      if (!when(path)) continue;
      if (this.#host.readSysctl(path) === written) this.#host.writeSysctl(path, before);
      this.#borrowed.delete(path);
      this.#changed = true;
    }
  }
}
