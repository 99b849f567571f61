import type { Ip } from "../../core/ip.ts";
import { instantUs } from "../../core/units.ts";
import { loadAddon } from "../../io/addon.ts";
import type { NativeAddon } from "../../io/addon.types.ts";
import { type AddressOperation, HostNetwork } from "../../io/hostNetwork.ts";
import { ArpSender, VrrpReceiver, VrrpSender } from "../../io/vrrpSockets.ts";
import { encodeGratuitousArp } from "../../wire/arp.ts";
import { IFA_F, SCOPE } from "../../wire/netlink/rtnl.ts";
import type { HostInterface, HostView } from "./hostView.ts";
import type { Lease } from "./leases.ts";
import type {
  AddressChange,
  AdvertReceiver,
  Announcer,
  ChangeOutcome,
  Datagram,
  ReceiverOptions,
  VrrpHost,
} from "./ports.ts";

/** What this host cannot do yet, in the kernel's word for it. */
const UNSUPPORTED: ChangeOutcome = { ok: false, code: "EOPNOTSUPP" };

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
    watchRouting: () => undefined,
    applyAddresses: (changes) => network.applyAddresses(changes.map(addressOperation)),
    applyRoutes: (changes) => changes.map(() => UNSUPPORTED),
    findRoutes: (wanted) => wanted.map(() => false),
    createDevice: () => UNSUPPORTED,
    setDeviceUp: () => UNSUPPORTED,
    deleteDevice: () => UNSUPPORTED,
    readSysctl: () => undefined,
    writeSysctl: () => UNSUPPORTED,
    openReceiver: (link, options, on) => openReceiver(link, options, on, addon),
    openSender: (link, options) => new VrrpSender({ link, ...options }, { addon }),
    openAnnouncer: (link) => openAnnouncer(link, addon),
    openFrameWatch: () => ({ look: () => undefined, close: () => undefined }),
    close: () => network.close(),
  };
}

function viewOf(network: HostNetwork): HostView {
  const addresses = network.listAddresses();
  return {
    interfaces: network.listLinks().map(({ index, name, up, hardwareAddress }) => ({
      index,
      name,
      up,
      administrativelyUp: up,
      hardwareAddress,
      kind: undefined,
      baseIndex: undefined,
      addresses: addresses
        .filter(({ linkIndex }) => linkIndex === index)
        .map((address) => ({ ...address, tentative: false, broadcast: undefined, peer: undefined })),
    })),
  };
}

function addressOperation(change: AddressChange): AddressOperation {
  const { address: ip, prefixLength, linkIndex } = change.lease;
  switch (change.kind) {
    case "delete":
      return { kind: "delete", request: { ip, prefixLength, linkIndex } };
    case "set":
      return setOperation(change.lease, { validSec: change.validSec, preferredSec: change.preferredSec });
    case "putBack":
      return setOperation(
        change.lease,
        change.validSec === undefined ? undefined : { validSec: change.validSec, preferredSec: change.validSec },
      );
  }
}

function setOperation(
  { address: ip, prefixLength, linkIndex, label, scope }: Lease,
  lifetime: { readonly validSec: number; readonly preferredSec: number } | undefined,
): AddressOperation {
  return {
    kind: "set",
    request: {
      ip,
      prefixLength,
      linkIndex,
      label,
      scope: scope === "global" ? SCOPE.universe : SCOPE[scope],
      lifetime,
      flags: ip.includes(":") ? IFA_F.noDad : 0,
    },
  };
}

function openReceiver(
  link: HostInterface,
  options: ReceiverOptions,
  on: { readonly datagrams: (datagrams: readonly Datagram[]) => void; readonly error: (error: Error) => void },
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

function openAnnouncer(link: HostInterface, addon: NativeAddon): Announcer {
  const sender = new ArpSender({ link }, { addon });
  const hardwareAddress = link.hardwareAddress ?? new Uint8Array(6);
  return {
    announce: (addresses: readonly Ip[]) => {
      for (const address of addresses) sender.send(encodeGratuitousArp(address, hardwareAddress));
    },
    close: () => sender.close(),
  };
}
