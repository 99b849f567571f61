import { instantUs } from "../../core/units.ts";
import { loadAddon } from "../../io/addon.ts";
import { HostNetwork } from "../../io/hostNetwork.ts";
import { VrrpSender } from "../../io/vrrpSockets.ts";
import { openNetwork } from "./hostNetworking.ts";
import { openAnnouncer, openFrameWatch, openReceiver } from "./hostSockets.ts";
import type { ChangeOutcome, VrrpHost } from "./ports.ts";

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
    ...openNetwork(network),
    watchRouting: () => undefined,
    applyRoutes: (changes) => changes.map(() => UNSUPPORTED),
    findRoutes: (wanted) => wanted.map(() => false),
    openReceiver: (link, options, on) => openReceiver(link, options, on, addon),
    openSender: (link, options) => new VrrpSender({ link, ...options }, { addon }),
    openAnnouncer: (link) => openAnnouncer(link, addon),
    openFrameWatch: (link, on) => openFrameWatch(link, on, addon),
    close: () => network.close(),
  };
}
