import type { Config } from "../config/types.ts";
import type { Clock } from "../core/interfaces.ts";
import type { Ip } from "../core/ip.ts";
import type { VrrpHandle, VrrpListener } from "../workers/vrrp/handle.types.ts";
import type { TrackResult } from "../workers/vrrp/protocol.ts";
import type { EventLog } from "./events.ts";
import type { HealthDriver, HealthListener } from "./healthDriver.ts";
import type { HostSide } from "./hostSide.ts";
import type { AddressFollower } from "./lvs/addressFollower.ts";
import type { LvsSide } from "./lvs/lvsSide.ts";
import type { OperatorModules } from "./operator.ts";
import type { TableOwner } from "./tableOwner.ts";

export interface DaemonOptions {
  readonly version: string;
  readonly configFile: string;
  readonly config: Config;
}

export interface DaemonModules {
  readonly events: EventLog;
  readonly table: TableOwner;
  readonly lvs: LvsSide;
  /** Tells by the given function which addresses the host holds, where services ask for it. */
  readonly followAddresses: (tell: (held: ReadonlySet<Ip>) => void) => AddressFollower;
  /** Built by the caller around the listener that the daemon gives, so that neither needs the other first. */
  readonly createVrrp: (listener: VrrpListener) => VrrpHandle;
  readonly createHealth: (listener: HealthListener) => HealthDriver;
  /** Scripts, trackers, notifications; trackers tell what they found by the given function. */
  readonly createHostSide: (onResults: (results: readonly TrackResult[]) => void) => HostSide;
  /** Remembers what operators said over restarts and handovers. */
  readonly store: OperatorModules["store"];
  readonly wallMs: () => number;
  /** The one that the VRRP worker has, too. */
  readonly clock: Clock;
  /** sd_notify(3) */
  readonly notify: (state: string) => void;
  /** Reads and checks the file again: the new configuration, or why it is refused. */
  readonly load: () =>
    | { readonly ok: true; readonly config: Config }
    | { readonly ok: false; readonly message: string };
}
