import type { Us } from "../../core/units.ts";
import type { Input } from "../../vrrp/types.ts";
import type { Announcements } from "./announcements.ts";
import type { IndexedView } from "./hostView.ts";
import type { VrrpInstance } from "./instance.ts";
import type { VipTable } from "./leases.ts";
import type { AdvertSender, VrrpHost } from "./ports.ts";
import type { FromWorker } from "./protocol.ts";
import type { Sending } from "./segments.ts";

/** A message to the main thread without its time stamp. */
export type Report = FromWorker extends infer Message
  ? Message extends FromWorker
    ? Omit<Message, "postedUs">
    : never
  : never;

export interface InstanceModules {
  readonly host: VrrpHost;
  readonly wallMs: () => number;
  /** The newest whole dump. */
  readonly view: () => IndexedView;
  /** A dump that shows also what was changed since: before a removal. */
  readonly freshView: () => IndexedView;
  /** Addresses were set, so that the view is older than they are. */
  readonly addressesSet: () => void;
  readonly vips: () => VipTable;
  /** Whether an interface is up, after its configured delays. */
  readonly isUp: (device: string) => boolean;
  /** Throws when it cannot be opened. */
  readonly sender: (sending: Sending) => AdvertSender;
  readonly announcements: Announcements;
  readonly report: (message: Report) => void;
  readonly discarded: (reason: string) => void;
  /** Every input of the machine, before it is fed. */
  readonly record: (instance: string, input: Input, at: Us) => void;
  /** The machine's state is another. `acted`: there was something to do for it, beyond its own timer. */
  readonly stepped: (instance: VrrpInstance, acted: boolean) => void;
  /** What it would leave behind is another thing now; returns when the guard knows. */
  readonly willChanged: () => void;
}

export interface InstanceCounters {
  advertsSent: number;
  advertsReceived: number;
  readonly discarded: Map<string, number>;
}
