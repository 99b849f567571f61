import { isDeepStrictEqual } from "node:util";
import type { VrrpInstanceConfig } from "../../config/vrrp.types.ts";
import type { Ip } from "../../core/ip.ts";
import type { DurationUs } from "../../core/units.ts";
import { RESIGN_PRIORITY } from "../../vrrp/timers.ts";
import type { AdvertOutput } from "./advertOutput.ts";
import { type LeaseHolder, removals } from "./holder.ts";
import type { IndexedView } from "./hostView.ts";
import { type LeasePlan, leaseKey } from "./leases.ts";
import type { AddressChange, ReadyMadeAdvert } from "./ports.ts";
import { sendingDevice } from "./virtualDevices.ts";

/** What one instance would leave behind if this process died now. */
export interface Estate {
  readonly advertInterval: DurationUs;
  /** Deletion of what it holds, or is about to hold. */
  readonly changes: readonly AddressChange[];
  /** Its priority-0 advert, for each destination; none unless it is MASTER. */
  readonly resignations: readonly ReadyMadeAdvert[];
}

/** Everything that an estate follows from. */
export interface EstateInput {
  readonly isMaster: boolean;
  readonly source: Ip | undefined;
  readonly config: VrrpInstanceConfig;
  readonly output: AdvertOutput;
  readonly plans: readonly LeasePlan[];
  readonly view: IndexedView;
  readonly holder: LeaseHolder;
}

/**
 * The estate of one instance: the same object as long as nothing of it changes, since hundreds of instances may become
 * MASTER together, and each of them asks for all.
 */
export class EstateBook {
  #known: { readonly input: EstateInput; readonly revision: number; readonly estate: Estate | undefined } | undefined;

  of(input: EstateInput): Estate | undefined {
    const { revision } = input.holder;
    const known = this.#known;
    if (known !== undefined && known.revision === revision && sameInput(known.input, input)) return known.estate;
    const made = estateOf(input);
    const estate = isDeepStrictEqual(made, known?.estate) ? known?.estate : made;
    this.#known = { input, revision, estate };
    return estate;
  }
}

function sameInput(a: EstateInput, b: EstateInput): boolean {
  return (
    a.isMaster === b.isMaster &&
    a.source === b.source &&
    a.config === b.config &&
    a.output === b.output &&
    a.plans === b.plans &&
    a.view === b.view
  );
}

function estateOf({ isMaster, source, config, output, plans, view, holder }: EstateInput): Estate | undefined {
  const { held } = holder;
  if (!isMaster && held.length === 0) return undefined;
  const planned = isMaster ? plans.flatMap((plan) => (plan.kind === "lease" ? [plan.lease] : [])) : [];
  const leases = new Map([...held, ...planned].map((lease) => [leaseKey(lease), lease]));
  const device = view.named(sendingDevice(config));
  const resigns = isMaster && device !== undefined && source !== undefined;
  return {
    advertInterval: config.advertInterval,
    changes: removals([...leases.values()], view, []),
    resignations: resigns ? output.readyMade(source, RESIGN_PRIORITY, device.index) : [],
  };
}
