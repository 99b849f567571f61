import type { Ip } from "../../core/ip.ts";
import { instantUs, seconds } from "../../core/units.ts";
import { loadAddon } from "../../io/addon.ts";
import type { NativeAddon } from "../../io/addon.types.ts";
import { type AddressOperation, HostNetwork } from "../../io/hostNetwork.ts";
import { ArpSender, type VrrpDatagram, VrrpReceiver, VrrpSender } from "../../io/vrrpSockets.ts";
import { encodeGratuitousArp } from "../../wire/arp.ts";
import { IFA_F, SCOPE } from "../../wire/netlink/rtnl.ts";
import { authProblem, decodeAdvertPacket, encodeAdvert, VRRP_MULTICAST_IPV4 } from "../../wire/vrrp.ts";
import type { HostInterface, HostView } from "./hostView.ts";
import type { AddressChange, Received, VrrpHost } from "./ports.ts";

/** The real host: rtnetlink, raw and packet sockets and a timerfd of this thread. Throws HoldfastError without the addon. */
export function openHost(): VrrpHost {
  const addon = loadAddon();
  const network = new HostNetwork(addon);
  return {
    clock: { nowUs: () => instantUs(addon.monotonicUs()) },
    openTimer: (onExpired) => addon.openTimer(onExpired),
    setRealtime: (priority) => addon.setRealtime(priority),
    view: () => viewOf(network),
    watch: (onEvent) =>
      network.watch({
        changed: () => onEvent({ kind: "changed" }),
        overrun: () => onEvent({ kind: "overrun" }),
        error: (error) => onEvent({ kind: "error", error }),
      }),
    applyAddresses: (changes) => network.applyAddresses(changes.map(addressOperation)),
    openReceiver: (link, on) => {
      const receiver = new VrrpReceiver(
        { link, onDatagrams: (datagrams) => on.adverts(datagrams.map(received)), onError: on.error },
        { addon },
      );
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
    },
    openSender: (link) => openSender(link, addon),
    openAnnouncer: (link) => openAnnouncer(link, addon),
    close: () => network.close(),
  };
}

function viewOf(network: HostNetwork): HostView {
  const addresses = network.listAddresses();
  return {
    interfaces: network.listLinks().map((link) => ({
      ...link,
      addresses: addresses.filter(({ linkIndex }) => linkIndex === link.index),
    })),
  };
}

function addressOperation({ lease, ...change }: AddressChange): AddressOperation {
  const { address: ip, prefixLength, linkIndex, label } = lease;
  if (change.kind === "delete") return { kind: "delete", request: { ip, prefixLength, linkIndex } };
  const { validSec } = change;
  return {
    kind: "set",
    request: {
      ip,
      prefixLength,
      linkIndex,
      label,
      scope: lease.scope === "global" ? SCOPE.universe : SCOPE[lease.scope],
      // Preferred lifetime 0: deprecated from the first moment, or IPv6 would take the VIP as a source of its own.
      lifetime: validSec === undefined ? undefined : { validSec, preferredSec: 0 },
      flags: ip.includes(":") ? IFA_F.noDad : 0,
    },
  };
}

function received(datagram: VrrpDatagram): Received {
  // Multicast is what is configured; a unicast advert can be sent to us from the link only too, but by nobody we know.
  if (datagram.destination !== undefined && datagram.destination !== VRRP_MULTICAST_IPV4) {
    return { ok: false, reason: "wrongDestination" };
  }
  const packet = decodeAdvertPacket(datagram.bytes);
  if (!packet.ok) return { ok: false, reason: packet.error };
  const { header, advert } = packet.value;
  if (advert.version !== 2) return { ok: false, reason: "wrongVersion" };
  const problem = authProblem(advert, undefined);
  if (problem !== undefined) return { ok: false, reason: problem };
  return {
    ok: true,
    virtualRouterId: advert.virtualRouterId,
    advert: {
      source: header.source,
      version: 2,
      priority: advert.priority,
      advertInterval: seconds(advert.advertIntervalCs / 100),
      addresses: advert.addresses,
    },
  };
}

function openSender(link: HostInterface, addon: NativeAddon): ReturnType<VrrpHost["openSender"]> {
  const sender = new VrrpSender({ link }, { addon });
  return {
    send: ({ source, virtualRouterId, priority, advertInterval, addresses }) =>
      sender.send(
        source,
        encodeAdvert(
          { version: 2, virtualRouterId, priority, advertIntervalCs: advertInterval / seconds(0.01), addresses },
          { source, destination: VRRP_MULTICAST_IPV4 },
        ),
      ),
    close: () => sender.close(),
  };
}

function openAnnouncer(link: HostInterface, addon: NativeAddon): ReturnType<VrrpHost["openAnnouncer"]> {
  const sender = new ArpSender({ link }, { addon });
  const hardwareAddress = link.hardwareAddress ?? new Uint8Array(6);
  return {
    announce: (addresses: readonly Ip[]) => {
      for (const address of addresses) sender.send(encodeGratuitousArp(address, hardwareAddress));
    },
    close: () => sender.close(),
  };
}
