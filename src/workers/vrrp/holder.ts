import type { VrrpInstanceConfig } from "../../config/vrrp.types.ts";
import type { Ip } from "../../core/ip.ts";
import { between, type Us } from "../../core/units.ts";
import { ADDRESS_BATCH_MAX } from "../../io/hostNetwork.ts";
import type { HostInterface, HostView } from "./hostView.ts";
import { type Lease, leaseLifetimeSec, planLeases, sameLease, takenAlong } from "./leases.ts";
import type { AddressChange, VrrpHost } from "./ports.ts";
import type { WorkerAlarm } from "./protocol.ts";
import type { ProgramOutcome } from "./runEffects.ts";

/** Errors of a removal that mean: it is not there. */
const GONE: ReadonlySet<string> = new Set(["EADDRNOTAVAIL", "ENODEV"]);

export interface HolderModules {
  readonly host: VrrpHost;
  readonly view: () => HostView;
  readonly alarm: (alarm: WorkerAlarm) => void;
}

/** The leases of one instance in the kernel: which we hold, and the three things done with them. */
export class LeaseHolder {
  #held: readonly Lease[] = [];
  readonly #modules: HolderModules;

  constructor(modules: HolderModules) {
    this.#modules = modules;
  }

  get held(): readonly Lease[] {
    return this.#held;
  }

  /**
   * Creates or refreshes every VIP of the instance. A refresh creates what is gone, so the clock is compared with the
   * advert before every batch: a stall between the two must not put addresses back that a peer has taken.
   */
  program(instance: VrrpInstanceConfig, all: readonly VrrpInstanceConfig[], advertSentAt: Us): ProgramOutcome {
    const plans = planLeases(instance, all, this.#modules.view());
    const missing = plans.find((plan) => plan.kind === "deviceMissing");
    if (missing !== undefined) {
      return { kind: "failed", detail: `${missing.address}: device ${missing.device} is missing` };
    }
    const leases = plans.flatMap((plan) => (plan.kind === "lease" ? [plan.lease] : []));
    const validSec = leaseLifetimeSec(instance.advertInterval);
    const delayMax = instance.advertInterval / 4;
    for (let at = 0; at < leases.length; at += ADDRESS_BATCH_MAX) {
      if (between(advertSentAt, this.#modules.host.clock.nowUs()) > delayMax) return { kind: "tooLate" };
      const failure = this.#set(leases.slice(at, at + ADDRESS_BATCH_MAX), validSec);
      if (failure !== undefined) return { kind: "failed", detail: failure };
    }
    const permanent = plans.flatMap((plan) => (plan.kind === "permanent" ? [plan.address] : []));
    const stale = this.#held.filter((held) => !leases.some((lease) => sameLease(held, lease)));
    this.#held = leases;
    // A lease that is programmed otherwise now, for example narrower since the device got an address of its subnet.
    this.#delete(stale.filter((held) => !permanent.includes(held.address)));
    return { kind: "done" };
  }

  /** Removes everything that we hold, except what the host has made its own meanwhile. */
  release(): void {
    this.releaseOnly(() => true);
  }

  /** Removes the held leases for which `doomed` says so. */
  releaseOnly(doomed: (lease: Lease) => boolean): void {
    const view = this.#modules.view();
    const leaving = this.#held.filter(doomed);
    this.#held = this.#held.filter((lease) => !leaving.includes(lease));
    this.#delete(leaving.filter((lease) => addressOf(view, lease)?.permanent !== true));
  }

  /** Held leases that a fresh view does not show; they are not held any more. */
  forgetMissing(view: HostView): readonly Lease[] {
    const missing = this.#held.filter((lease) => addressOf(view, lease) === undefined);
    if (missing.length > 0) this.#held = this.#held.filter((lease) => !missing.includes(lease));
    return missing;
  }

  holds(address: Ip, device: string): boolean {
    return this.#held.some((lease) => lease.address === address && lease.device === device);
  }

  /** One batch; returns what failed, in words. */
  #set(batch: readonly Lease[], validSec: number): string | undefined {
    const { host, alarm } = this.#modules;
    const outcomes = host.applyAddresses(batch.map((lease) => ({ kind: "set", lease, validSec })));
    const failures: string[] = [];
    let fresh: HostView | undefined;
    for (const [index, lease] of batch.entries()) {
      const outcome = outcomes[index];
      let code = outcome === undefined ? "unknown" : outcome.ok ? undefined : outcome.code;
      if (code === "unknown") {
        // The answer was lost, perhaps not the request: look.
        fresh ??= host.view();
        if (addressOf(fresh, lease) !== undefined) code = undefined;
      }
      if (code === undefined) {
        if (!this.#held.some((held) => sameLease(held, lease))) this.#held = [...this.#held, lease];
        continue;
      }
      failures.push(`${lease.address}/${lease.prefixLength} dev ${lease.device}: ${code}`);
      alarm({ kind: "addressOperationFailed", address: lease.address, device: lease.device, detail: code });
    }
    return failures.length === 0 ? undefined : failures.join("; ");
  }

  #delete(leases: readonly Lease[]): void {
    if (leases.length === 0) return;
    const { host, view, alarm } = this.#modules;
    for (const { lease, code } of deleteLeases(host, view(), leases)) {
      // The lease's end will take it; until then two hosts may have it.
      alarm({
        kind: "addressOperationFailed",
        address: lease.address,
        device: lease.device,
        detail: `remove: ${code}`,
      });
    }
  }
}

/** Deletes leases, also those of an earlier life; puts back what the kernel takes along. Returns the failures. */
export function deleteLeases(
  host: VrrpHost,
  view: HostView,
  leases: readonly Lease[],
): { readonly lease: Lease; readonly code: string }[] {
  const changes = leases.flatMap((lease) => removal(lease, view, leases));
  const failures: { lease: Lease; code: string }[] = [];
  for (let at = 0; at < changes.length; at += ADDRESS_BATCH_MAX) {
    const batch = changes.slice(at, at + ADDRESS_BATCH_MAX);
    const outcomes = host.applyAddresses(batch);
    for (const [index, change] of batch.entries()) {
      const outcome = outcomes[index];
      const code = outcome === undefined ? "unknown" : outcome.ok ? undefined : outcome.code;
      if (code === undefined || (change.kind === "delete" && GONE.has(code))) continue;
      failures.push({ lease: change.lease, code });
    }
  }
  return failures;
}

/** The deletion, and behind it the addresses that go with it and are not to go. */
function removal(lease: Lease, view: HostView, leaving: readonly Lease[]): AddressChange[] {
  const link = view.interfaces.find((candidate) => candidate.index === lease.linkIndex);
  const back = takenAlong(lease, link).filter((other) => !leaving.some((gone) => gone.address === other.ip));
  return [
    { kind: "delete", lease },
    ...back.map(
      (other): AddressChange => ({
        kind: "set",
        lease: {
          address: other.ip,
          device: lease.device,
          linkIndex: lease.linkIndex,
          prefixLength: other.prefixLength,
          label: other.label,
          scope: other.scope,
        },
        validSec: other.validSec,
      }),
    ),
  ];
}

function addressOf(view: HostView, lease: Lease): HostInterface["addresses"][number] | undefined {
  return view.interfaces
    .find((link) => link.index === lease.linkIndex)
    ?.addresses.find((own) => own.ip === lease.address && own.prefixLength === lease.prefixLength);
}
