/**
 * Settings of the host that are not ours, set while something needs them and given back afterwards: `ipv4/vs/sloppy_tcp`
 * (a path below /proc/sys/net), `timeout tcp` of IPVS. What one was before is remembered over our death.
 */
export interface BorrowedSettings {
  /** Sets one to `value` and keeps it so; called again it repairs what others changed. */
  hold(name: string, value: string): SettingOutcome;
  /** Gives one back, unless somebody has changed it since. Nothing where it is not held. */
  release(name: string): SettingOutcome;
  /** Those that are held, also by an earlier life. */
  held(): readonly HeldSetting[];
}

export type SettingOutcome =
  /** `changed`: what it was just before this call; undefined where nothing had to be written. */
  { readonly ok: true; readonly changed: string | undefined } | { readonly ok: false; readonly detail: string };

export interface HeldSetting {
  readonly name: string;
  /** Before us; what a release puts back. */
  readonly before: string;
  readonly value: string;
}
