import type { VrrpInstanceConfig } from "../../config/vrrp.types.ts";
import type { Ip } from "../../core/ip.ts";
import { encodeAdvert, type VrrpAdvert } from "../../wire/vrrp.ts";
import type { AdvertSender, ReadyMadeAdvert } from "./ports.ts";
import type { Sending } from "./segments.ts";
import { sendingDevice } from "./virtualDevices.ts";

const US_PER_CENTISECOND = 10_000;
/** Own priority and 0 are what is sent; trackers and reloads leave others behind. */
const ENCODED_MAX = 8;

interface Encoded {
  readonly destination: Ip;
  readonly message: Uint8Array;
}

/** The adverts of one instance: each is encoded once, since all of a term are equal. */
export class AdvertOutput {
  readonly #config: VrrpInstanceConfig;
  readonly #sender: (sending: Sending) => AdvertSender;
  readonly #sending: Sending;
  readonly #encoded = new Map<string, readonly Encoded[]>();
  /** Of `#encoded`, what was sent last. */
  #last: { readonly source: Ip; readonly priority: number; readonly messages: readonly Encoded[] } | undefined;

  /** `sender` throws when the socket cannot be had. */
  constructor(config: VrrpInstanceConfig, sender: (sending: Sending) => AdvertSender) {
    this.#config = config;
    this.#sender = sender;
    this.#sending = sendingOf(config);
  }

  /**
   * Hands one advert to the kernel, to the group or to every peer. Throws when nobody was sent it; peers that could not
   * be reached while others were are returned, in words.
   */
  send(source: Ip, priority: number): string | undefined {
    const sender = this.#sender(this.#sending);
    const messages = this.#messages(source, priority);
    const failures: unknown[] = [];
    for (const { destination, message } of messages) {
      try {
        sender.send(source, destination, message);
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length === 0) return undefined;
    if (failures.length === messages.length) throw failures[0];
    return failures.map((error) => (error instanceof Error ? error.message : String(error))).join("; ");
  }

  /** The same adverts, to be sent by another process. */
  readyMade(source: Ip, priority: number, interfaceIndex: number): readonly ReadyMadeAdvert[] {
    const { timeToLive } = this.#sending;
    return this.#messages(source, priority).map((each) => ({ ...each, interfaceIndex, source, timeToLive }));
  }

  #messages(source: Ip, priority: number): readonly Encoded[] {
    if (this.#last?.priority === priority && this.#last.source === source) return this.#last.messages;
    const messages = this.#encodedOnce(source, priority);
    this.#last = { source, priority, messages };
    return messages;
  }

  #encodedOnce(source: Ip, priority: number): readonly Encoded[] {
    const key = `${priority} ${source}`;
    const known = this.#encoded.get(key);
    if (known !== undefined) return known;
    const { transport } = this.#config;
    const destinations =
      transport.kind === "multicast" ? [transport.group] : transport.peers.map((peer) => peer.address);
    const advert = advertOf(this.#config, priority);
    const encoded = destinations.map((destination) => ({
      destination,
      message: encodeAdvert(advert, { source, destination }),
    }));
    if (this.#encoded.size >= ENCODED_MAX) this.#encoded.clear();
    this.#encoded.set(key, encoded);
    return encoded;
  }
}

/** By what an instance sends. */
export function sendingOf(config: VrrpInstanceConfig): Sending {
  const timeToLive = config.transport.kind === "unicast" ? config.transport.timeToLive : 255;
  return { device: sendingDevice(config), family: config.family, timeToLive };
}

function advertOf(config: VrrpInstanceConfig, priority: number): VrrpAdvert {
  const { version, virtualRouterId, authPassword, checksumForm, family } = config;
  return {
    version,
    virtualRouterId,
    priority,
    advertIntervalCs: config.advertInterval / US_PER_CENTISECOND,
    addresses: config.virtualAddresses.map((vip) => vip.address),
    ...(version === 2 && authPassword !== undefined ? { authPassword } : {}),
    ...(version === 3 && family === 4 ? { checksumForm } : {}),
  };
}
