import { instantUs } from "../../core/units.ts";
import { loadAddon } from "../../io/addon.ts";
import { DriverLinks } from "../../io/driverLinks.ts";
import { HostNetwork } from "../../io/hostNetwork.ts";
import { HostRouting } from "../../io/hostRouting.ts";
import { VrrpSender } from "../../io/vrrpSockets.ts";
import { openNetwork } from "./hostNetworking.ts";
import { openRoutes } from "./hostRoutes.ts";
import { openAnnouncer, openFrameWatch, openReceiver } from "./hostSockets.ts";
import type { HostEvent, VrrpHost } from "./ports.ts";

/** The real host: rtnetlink, raw and packet sockets and a timerfd of this thread. Throws HoldfastError without the addon. */
export function openHost(): VrrpHost {
  const addon = loadAddon();
  const network = new HostNetwork(addon);
  const routing = new HostRouting(addon);
  const links = new DriverLinks(addon);
  const networking = openNetwork(network);
  let listener: (event: HostEvent) => void = () => undefined;
  return {
    clock: { nowUs: () => instantUs(addon.monotonicUs()) },
    openTimer: (onExpired) => addon.openTimer(onExpired),
    setRealtime: (priority) => addon.setRealtime(priority),
    ...networking,
    driverLink: (linkIndex) => links.hasLink(linkIndex),
    watch: (onEvent) => {
      listener = onEvent;
      networking.watch(onEvent);
    },
    ...openRoutes(network, routing, (event) => listener(event)),
    openReceiver: (link, options, on) => openReceiver(link, options, on, addon),
    openSender: (link, options) => new VrrpSender({ link, ...options }, { addon }),
    openAnnouncer: (link) => openAnnouncer(link, addon),
    openFrameWatch: (link, on) => openFrameWatch(link, on, addon),
    close: () => {
      network.close();
      links.close();
      routing.close();
    },
  };
}
