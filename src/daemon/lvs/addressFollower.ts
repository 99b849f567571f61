import type { Config } from "../../config/types.ts";
import { HoldfastError } from "../../core/errors.ts";
import type { Clock, Timers } from "../../core/interfaces.ts";
import type { Ip } from "../../core/ip.ts";
import { after, milliseconds } from "../../core/units.ts";
import type { StateName } from "../../vrrp/types.ts";
import type { EventLog } from "../events.ts";

export interface AddressFollowerModules {
  /** Every address of the host. Throws HoldfastError when the kernel cannot be asked now. */
  readonly readAddresses: () => Iterable<Ip>;
  readonly tell: (held: ReadonlySet<Ip>) => void;
  readonly events: EventLog;
  readonly clock: Clock;
  readonly timers: Timers;
}

/** An address that comes or goes by other means than VRRP is seen within this. */
const LOOK_INTERVAL = milliseconds(2_000);

/**
 * Tells which addresses the host holds, for services with `ha_suspend`; idle without one. What VRRP brings or takes is told
 * with the transition, everything else is looked for.
 */
export class AddressFollower {
  readonly #modules: AddressFollowerModules;
  readonly #masters = new Set<string>();
  #config: Pick<Config, "vrrp" | "virtualServers"> | undefined;
  #disarm: () => void = () => undefined;
  #told = "";
  /** What the kernel had when it was last asked; undefined = it has not answered yet. */
  #found: readonly Ip[] | undefined;
  #problem: string | undefined;

  constructor(modules: AddressFollowerModules) {
    this.#modules = modules;
  }

  /** Before the checks begin with a configuration. */
  configure(config: Pick<Config, "vrrp" | "virtualServers">): void {
    this.#config = config;
    this.#look();
  }

  transition(instance: string, state: StateName): void {
    if (state === "MASTER") this.#masters.add(instance);
    else this.#masters.delete(instance);
    this.#look();
  }

  /** The VRRP worker was replaced: whatever it held was released. */
  restarted(): void {
    this.#masters.clear();
    this.#look();
  }

  stop(): void {
    this.#disarm();
    this.#config = undefined;
  }

  #look(): void {
    this.#disarm();
    if (this.#config?.virtualServers.some(({ haSuspend }) => haSuspend) !== true) return;
    const { clock, timers, tell } = this.#modules;
    this.#disarm = timers.at(after(clock.nowUs(), LOOK_INTERVAL), () => this.#look());
    this.#read();
    if (this.#found === undefined) return;
    const held = new Set<Ip>(this.#found);
    // Of a MASTER they are on their way, where they are not there yet.
    for (const { name, virtualAddresses, excludedAddresses } of this.#config.vrrp.instances) {
      if (!this.#masters.has(name)) continue;
      for (const { address } of [...virtualAddresses, ...excludedAddresses]) held.add(address);
    }
    const words = [...held].sort().join(" ");
    if (words === this.#told) return;
    this.#told = words;
    tell(held);
  }

  /** A dump that fails (many addresses on their way at a takeover, no descriptor left) leaves what was found before, until the next look. */
  #read(): void {
    const { readAddresses, events } = this.#modules;
    try {
      this.#found = [...readAddresses()];
      if (this.#problem === undefined) return;
      this.#problem = undefined;
      events.record("info", "addressesReadAgain", "ha_suspend: the host's addresses can be read again", {});
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      if (this.#problem === error.message) return;
      this.#problem = error.message;
      const message = `ha_suspend: the host's addresses cannot be read, the last ones count: ${error.message}`;
      events.record("warn", "addressesUnreadable", message, {});
    }
  }
}
