import { BorrowedSettings, type HeldSetting } from "../../src/core/borrowedSettings.ts";
import type { Clock, Timers } from "../../src/core/interfaces.ts";
import type { EventLog } from "../../src/daemon/events.ts";
import { type LvsKernel, LvsSide } from "../../src/daemon/lvs/lvsSide.ts";
import type { FoundSyncDaemon, SyncRole, SyncStep } from "../../src/plan/syncDaemons.ts";

/** The kernel's IPVS as a whole, and the run directory: both stay when a daemon dies. */
export class FakeLvs implements LvsKernel {
  daemons: FoundSyncDaemon[] = [];
  readonly settings = new Map([
    ["timeout tcp", "900"],
    ["timeout tcpfin", "120"],
    ["timeout udp", "300"],
    ["ipv4/vs/sloppy_tcp", "0"],
    ["ipv4/vs/expire_nodest_conn", "0"],
    ["ipv4/vs/expire_quiescent_template", "0"],
  ]);
  /** What was done since the last look: `stop master`, `start backup eth1 51`. */
  readonly done: string[] = [];
  /** Why the next start is refused. */
  refusal: string | undefined;
  /** Why a setting cannot be written. */
  settingRefusal: string | undefined;
  onStep: (words: string) => void = () => undefined;
  roles: ReadonlySet<SyncRole> = new Set();
  held: readonly HeldSetting[] = [];

  syncDaemons(): readonly FoundSyncDaemon[] {
    return this.daemons;
  }

  performSync(step: SyncStep): { readonly ok: true } | { readonly ok: false; readonly detail: string } {
    if (step.kind === "start" && this.refusal !== undefined) return { ok: false, detail: this.refusal };
    const role = step.kind === "start" ? step.daemon.role : step.role;
    this.daemons = this.daemons.filter((each) => each.role !== role);
    if (step.kind === "start") this.daemons.push({ ...step.daemon, lengthMax: step.daemon.lengthMax ?? 1_472 });
    const words = step.kind === "start" ? ` ${step.daemon.interface} ${step.daemon.syncId}` : "";
    this.done.push(`${step.kind} ${role}${words}`);
    this.onStep(`${step.kind} ${role}${words}`);
    return { ok: true };
  }

  timeouts() {
    const seconds = (name: string): number => Number(this.settings.get(`timeout ${name}`));
    return { tcp: seconds("tcp"), tcpfin: seconds("tcpfin"), udp: seconds("udp") };
  }

  taken(): string[] {
    return this.done.splice(0);
  }

  /** As a daemon has it that starts now. */
  side(modules: { readonly events: EventLog; readonly clock: Clock; readonly timers: Timers }): LvsSide {
    const settings = new BorrowedSettings(
      {
        read: (name) => this.settings.get(name),
        write: (name, value) => {
          if (this.settingRefusal !== undefined) return { ok: false, code: this.settingRefusal };
          this.settings.set(name, value);
          return { ok: true };
        },
      },
      {
        readBorrowedSettings: () => this.held,
        writeBorrowedSettings: (held) => {
          this.held = held;
        },
      },
    );
    const store = {
      readSyncRoles: () => this.roles,
      writeSyncRoles: (roles: ReadonlySet<SyncRole>) => {
        this.roles = roles;
      },
    };
    return new LvsSide({ ...modules, open: () => this, settings, store });
  }
}
