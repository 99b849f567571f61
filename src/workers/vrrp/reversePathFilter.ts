import type { BorrowedSettings } from "../../core/borrowedSettings.ts";
import type { IndexedView } from "./hostView.ts";
import type { VrrpHost } from "./ports.ts";

const path = (name: string): string => `ipv4/conf/${name}/rp_filter`;

/**
 * What arrives on a virtual MAC device goes back by its base, which the reverse path filter takes for forged. The greater
 * of `all` and the interface's own counts, so where `all` is set it moves to every single interface, and `default`
 * (keepalived.conf(5), use_vmac). `ours`: devices that are to have no filter.
 */
export function moveReversePathFilter(
  host: VrrpHost,
  settings: BorrowedSettings,
  view: IndexedView,
  ours: (name: string) => boolean,
): void {
  const all = host.readSysctl(path("all")) ?? "0";
  if (all === "0") return;
  const others = view.interfaces.map(({ name }) => name).filter((name) => !ours(name));
  for (const name of ["default", ...others]) {
    if (Number(host.readSysctl(path(name)) ?? all) < Number(all)) settings.hold(path(name), all);
  }
  // Last: until then nothing is less strict than before.
  settings.hold(path("all"), "0");
}

export function isReversePathFilter(setting: string): boolean {
  return setting.endsWith("/rp_filter");
}
