import type { IndexedView } from "./hostView.ts";
import type { VrrpHost } from "./ports.ts";

const path = (name: string): string => `ipv4/conf/${name}/rp_filter`;

/**
 * What arrives on a virtual MAC device goes back by its base, which the reverse path filter takes for forged. The greater
 * of `all` and the interface's own counts, so where `all` is set it moves to every single interface, and `default`
 * (keepalived.conf(5), use_vmac). Given back at the end, where nobody has changed it since.
 */
export class ReversePathFilter {
  readonly #host: VrrpHost;
  /** By interface: what was there, and what we wrote. */
  readonly #moved = new Map<string, { readonly before: string; readonly written: string }>();

  constructor(host: VrrpHost) {
    this.#host = host;
  }

  /** `ours`: devices that are to have no filter. */
  apply(view: IndexedView, ours: (name: string) => boolean): void {
    const all = this.#host.readSysctl(path("all")) ?? "0";
    if (all === "0") return;
    const others = view.interfaces.map(({ name }) => name).filter((name) => !ours(name));
    for (const name of ["default", ...others]) {
      const before = this.#host.readSysctl(path(name)) ?? all;
      if (Number(before) < Number(all)) this.#write(name, before, all);
    }
    // Last: until then nothing is less strict than before.
    this.#write("all", all, "0");
  }

  restore(): void {
    for (const [name, { before, written }] of [...this.#moved].reverse()) {
      if (this.#host.readSysctl(path(name)) === written) this.#host.writeSysctl(path(name), before);
    }
    this.#moved.clear();
  }

  #write(name: string, before: string, written: string): void {
    if (!this.#host.writeSysctl(path(name), written).ok) return;
    this.#moved.set(name, { before: this.#moved.get(name)?.before ?? before, written });
  }
}
