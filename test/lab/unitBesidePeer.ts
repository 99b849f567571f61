import { expect } from "vitest";
import { wallClockMs } from "./addressWatch.ts";
import { Systemd } from "./systemd.ts";
import { routerConfiguration, TwoRouters, VIP } from "./twoRouters.ts";

/** `a` does not take back what the other has taken. */
const STAYING = { nopreempt: true } as const;

/** systemd/holdfast.service on `a`, keepalived as the backup on `b`: for what ends the daemon and not its guard. */
export class UnitBesidePeer {
  readonly lan: TwoRouters;
  readonly systemd: Systemd;

  private constructor(lan: TwoRouters, systemd: Systemd) {
    this.lan = lan;
    this.systemd = systemd;
  }

  /** `serviceLines`: of the unit's section [Service], behind its own. */
  static async open(prefix: string, serviceLines: readonly string[]): Promise<UnitBesidePeer> {
    const lan = await TwoRouters.open(prefix, STAYING);
    try {
      const networkNamespace = lan.host("a").path;
      const configuration = routerConfiguration(150, STAYING);
      return new UnitBesidePeer(lan, await Systemd.start({ configuration, networkNamespace, serviceLines }));
    } catch (error) {
      await lan.close();
      throw error;
    }
  }

  /** Until the unit's daemon has the address, and the peer is its backup. */
  async begin(): Promise<void> {
    await this.systemd.startService();
    await this.lan.untilHeldBy("a", () => this.systemd.told());
    await this.lan.startPeer("keepalived");
  }

  /** The guard releases, the peer takes over, nobody has the address twice, and systemd starts the service again. */
  async expectReleased(end: () => Promise<void>): Promise<void> {
    const { lan, systemd } = this;
    const sinceMs = wallClockMs();
    await end();
    await lan.untilHeldBy("b", () => systemd.told());
    await systemd.untilRestarted(1);
    await systemd.untilActive();
    expect(systemd.log).toContain("the last will of process");
    expect(lan.watch.doubleHoldMs(VIP, sinceMs)).toBe(0);
    expect(lan.holders()).toBe("b");
  }

  async close(): Promise<void> {
    await this.systemd.stop();
    await this.lan.close();
  }
}
