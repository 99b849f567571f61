import { instantUs } from "../../core/units.ts";
import { loadAddon } from "../../io/addon.ts";
import { type AddressOperation, HostNetwork } from "../../io/hostNetwork.ts";
import { VrrpSender } from "../../io/vrrpSockets.ts";
import { IFA_F, SCOPE } from "../../wire/netlink/rtnl.ts";
import { openAnnouncer, openFrameWatch, openReceiver } from "./hostSockets.ts";
import type { HostView } from "./hostView.ts";
import type { Lease } from "./leases.ts";
import type { AddressChange, ChangeOutcome, VrrpHost } from "./ports.ts";

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
    openFrameWatch: (link, on) => openFrameWatch(link, on, addon),
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
