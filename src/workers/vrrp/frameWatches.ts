import type { Ip } from "../../core/ip.ts";
import { after, type DurationUs, seconds, type Us } from "../../core/units.ts";
import { hardwareText } from "./hardwareAddress.ts";
import type { IndexedView } from "./hostView.ts";
import type { VrrpInstance } from "./instance.ts";
import type { FrameWatch, VrrpHost } from "./ports.ts";
import type { WorkerAlarm } from "./protocol.ts";
import { listeningDevice } from "./virtualDevices.ts";

/** An alarm of a foreign claim ends when nothing was heard of it for so long; then the same is news again. */
const CLAIM_FORGOTTEN_AFTER: DurationUs = seconds(60);

export interface FrameWatchModules {
  readonly host: VrrpHost;
  readonly onError: (device: string, error: unknown) => void;
}

interface OpenWatch {
  readonly index: number;
  readonly hardwareAddress: string;
  readonly watch: FrameWatch;
  /** What was asked of it. */
  looking: string;
}

/** Somebody else says that one of our addresses is his. */
type ForeignClaim = Extract<WorkerAlarm, { kind: "foreignArpAnswer" | "foreignNeighborAdvertisement" }>;

interface Claim {
  readonly instance: VrrpInstance;
  readonly key: string;
  forgottenAt: Us;
}

/**
 * Frames that no IP socket shows: ARP and neighbour advertisements of others for addresses that we hold, and IPv4 adverts with our own source address,
 * which the kernel drops as martians. One watch an interface, looking only for what concerns us now.
 */
export class FrameWatches {
  readonly #modules: FrameWatchModules;
  readonly #open = new Map<string, OpenWatch>();
  readonly #claims = new Map<string, Claim>();
  #instances: readonly VrrpInstance[] = [];
  #view: IndexedView | undefined;

  constructor(modules: FrameWatchModules) {
    this.#modules = modules;
  }

  /** The interfaces, what is held and what adverts are sent from may have changed. */
  follow(view: IndexedView, instances: readonly VrrpInstance[]): void {
    this.#view = view;
    this.#instances = instances;
    const wanted = this.#wanted();
    for (const [device, open] of this.#open) {
      const link = view.named(device);
      const isSame = link?.index === open.index && hardwareText(link) === open.hardwareAddress;
      if (wanted.has(device) && isSame) continue;
      open.watch.close();
      this.#open.delete(device);
    }
    for (const [device, { senders, sources }] of wanted) this.#look(device, view, [...senders], [...sources]);
  }

  get deadline(): Us | undefined {
    let soonest: Us | undefined;
    for (const { forgottenAt } of this.#claims.values()) {
      if (soonest === undefined || forgottenAt < soonest) soonest = forgottenAt;
    }
    return soonest;
  }

  /** Forgets claims that nobody repeats, and those against addresses that are not held any more. */
  forget(now: Us): void {
    for (const [key, claim] of this.#claims) {
      const gone = claim.instance.state.role.name !== "MASTER";
      if (!gone && now < claim.forgottenAt) continue;
      claim.instance.alarms.clear(claim.key);
      this.#claims.delete(key);
    }
  }

  close(): void {
    for (const { watch } of this.#open.values()) watch.close();
    this.#open.clear();
  }

  #wanted(): Map<string, { senders: Set<Ip>; sources: Set<Ip> }> {
    const wanted = new Map<string, { senders: Set<Ip>; sources: Set<Ip> }>();
    const at = (device: string): { senders: Set<Ip>; sources: Set<Ip> } => {
      const known = wanted.get(device) ?? { senders: new Set(), sources: new Set() };
      wanted.set(device, known);
      return known;
    };
    for (const instance of this.#instances) {
      if (instance.state.role.name === "INIT") continue;
      const source = instance.state.link.primaryAddress;
      if (instance.config.family === 4 && source !== undefined)
        at(listeningDevice(instance.config)).sources.add(source);
      for (const lease of instance.holder.held) at(lease.device).senders.add(lease.address);
    }
    return wanted;
  }

  #look(device: string, view: IndexedView, senders: readonly Ip[], sources: readonly Ip[]): void {
    const link = view.named(device);
    if (link === undefined) return;
    try {
      let open = this.#open.get(device);
      if (open === undefined) {
        const watch = this.#modules.host.openFrameWatch(link, {
          arp: (claim) => this.#onClaim(device, { kind: "foreignArpAnswer", ...claim }),
          neighbor: (claim) => this.#onClaim(device, { kind: "foreignNeighborAdvertisement", ...claim }),
          ownSource: ({ source, hardwareAddress }) => this.#onOwnSource(device, source, hardwareAddress),
          error: (error) => this.#modules.onError(device, error),
        });
        open = { index: link.index, hardwareAddress: hardwareText(link), watch, looking: "" };
        this.#open.set(device, open);
      }
      const looking = `${senders.join(" ")} ${sources.join(" ")}`;
      if (open.looking === looking) return;
      open.watch.look({ senders, sources });
      open.looking = looking;
    } catch (error) {
      this.#modules.onError(device, error);
    }
  }

  #onClaim(device: string, alarm: ForeignClaim): void {
    const { kind, address, hardwareAddress } = alarm;
    if (this.#isOurs(hardwareAddress)) return;
    const forgottenAt = after(this.#modules.host.clock.nowUs(), CLAIM_FORGOTTEN_AFTER);
    for (const instance of this.#instances) {
      if (instance.state.role.name !== "MASTER" || !instance.holder.holds(address, device)) continue;
      const key = `${kind} ${address} ${hardwareAddress}`;
      this.#claims.set(`${instance.name} ${key}`, { instance, key, forgottenAt });
      instance.alarms.raise(key, alarm);
    }
  }

  #onOwnSource(device: string, source: Ip, hardwareAddress: string): void {
    const forgottenAt = after(this.#modules.host.clock.nowUs(), CLAIM_FORGOTTEN_AFTER);
    for (const instance of this.#instances) {
      if (listeningDevice(instance.config) !== device || instance.state.link.primaryAddress !== source) continue;
      const key = `ownSource ${hardwareAddress}`;
      this.#claims.set(`${instance.name} ${key}`, { instance, key, forgottenAt });
      instance.ownSourceHeard(source, hardwareAddress);
    }
  }

  /** One of this host's interfaces, a virtual MAC device among them, has this hardware address. */
  #isOurs(hardwareAddress: string): boolean {
    return this.#view?.interfaces.some((link) => hardwareText(link) === hardwareAddress) ?? false;
  }
}
