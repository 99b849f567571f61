import { family, type Ip } from "../../core/ip.ts";
import type { NativeAddon } from "../../io/addon.types.ts";
import { FrameSender, FrameWatch as PacketFrameWatch } from "../../io/frameSockets.ts";
import { readSysctl } from "../../io/sysctl.ts";
import { VrrpReceiver } from "../../io/vrrpSockets.ts";
import { encodeGratuitousArp } from "../../wire/arp.ts";
import { MAC_BYTES } from "../../wire/ethernet.ts";
import { encodeUnsolicitedNeighborAdvertisement } from "../../wire/neighbor.ts";
import { hardwareText } from "./hardwareAddress.ts";
import type { HostInterface } from "./hostView.ts";
import type { AdvertReceiver, Announcer, FrameWatch, FrameWatchListener, ReceiverOptions, VrrpHost } from "./ports.ts";

/** As VrrpHost.openReceiver. */
export function openReceiver(
  link: HostInterface,
  options: ReceiverOptions,
  on: Parameters<VrrpHost["openReceiver"]>[2],
  addon: NativeAddon,
): AdvertReceiver {
  const receiver = new VrrpReceiver({ link, ...options, onDatagrams: on.datagrams, onError: on.error }, { addon });
  return {
    drain: () => {
      try {
        receiver.drain();
      } catch (error) {
        // A pending error of the socket, such as ENETDOWN: told once, then receiving goes on.
        on.error(error as Error);
      }
    },
    close: () => receiver.close(),
  };
}

/**
 * As VrrpHost.openAnnouncer: from the interface's own hardware address, that of a virtual router on its virtual device. On an
 * interface without an Ethernet address (tun, ppp) nothing is announced: nobody resolves addresses there.
 */
export function openAnnouncer(link: HostInterface, addon: NativeAddon): Announcer {
  const sender = new FrameSender({ link }, { addon });
  const { name, hardwareAddress } = link;
  return {
    announce: (addresses: readonly Ip[]) => {
      if (hardwareAddress?.length !== MAC_BYTES) return;
      // Neighbours with a false flag drop their default route over this address (RFC 4861 7.2.5): as it is at this moment.
      const router = addresses.some((address) => family(address) === 6) && forwardsIpv6(name);
      for (const address of addresses) {
        const frame =
          family(address) === 4
            ? encodeGratuitousArp(address, hardwareAddress)
            : encodeUnsolicitedNeighborAdvertisement(address, hardwareAddress, { router });
        sender.send(frame);
      }
    },
    close: () => sender.close(),
  };
}

/** By the same tunable the kernel sets the flag in its own advertisements. */
function forwardsIpv6(interfaceName: string): boolean {
  const forwarding = readSysctl(`ipv6/conf/${interfaceName}/forwarding`);
  return forwarding !== undefined && forwarding !== "0";
}

/** As VrrpHost.openFrameWatch. */
export function openFrameWatch(link: HostInterface, on: FrameWatchListener, addon: NativeAddon): FrameWatch {
  return new PacketFrameWatch(
    {
      link,
      onArp: ({ address, hardwareAddress }) => on.arp({ address, hardwareAddress: hardwareText({ hardwareAddress }) }),
      onNeighbor: ({ address, hardwareAddress }) =>
        on.neighbor({ address, hardwareAddress: hardwareText({ hardwareAddress }) }),
      onOwnSource: ({ source, hardwareAddress }) =>
        on.ownSource({ source, hardwareAddress: hardwareText({ hardwareAddress }) }),
      onError: on.error,
    },
    { addon },
  );
}
