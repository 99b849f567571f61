import { family, ipBytes } from "../core/ip.ts";
import type { FoundSyncDaemon, SyncDaemon, SyncKernel, SyncStep } from "../plan/syncDaemons.ts";
import type { IpvsTimeouts } from "../plan/types.ts";
import {
  AF_INET,
  AF_INET6,
  DAEMON_STATE,
  decodeIpvs,
  IPVS_COMMAND,
  type IpvsDaemon,
  ipOfInetAddress,
} from "../wire/netlink/ipvs.ts";
import { loadAddon } from "./addon.ts";
import type { NativeAddon } from "./addon.types.ts";
import { IpvsSocket } from "./ipvsSocket.ts";
import { LINUX } from "./linux.ts";
import { NetlinkError, NetlinkSocket } from "./netlinkSocket.ts";

const TIMEOUT_ATTRIBUTES = { tcp: "tcpTimeoutSec", tcpfin: "tcpFinTimeoutSec", udp: "udpTimeoutSec" } as const;

/** What holds for the IPVS of this network namespace as a whole. Throws HoldfastError `ipvsMissing`, `missingCapability`. */
export function openIpvsSettings(addon: NativeAddon = loadAddon()): NetlinkIpvsSettings {
  return new NetlinkIpvsSettings(new IpvsSocket(new NetlinkSocket({ protocol: LINUX.NETLINK_GENERIC }, { addon })));
}

/** Connection sync and timeouts by generic netlink; `ipvsadm --daemon`, `--timeout` and `--set` do the same. */
export class NetlinkIpvsSettings implements SyncKernel {
  readonly #socket: IpvsSocket;

  constructor(socket: IpvsSocket) {
    this.#socket = socket;
  }

  /** In the kernel's order, the sending one first. */
  syncDaemons(): readonly FoundSyncDaemon[] {
    return this.#socket.dump({ command: IPVS_COMMAND.getDaemon }).flatMap(({ daemon }) => foundDaemon(daemon));
  }

  performSync(step: SyncStep): { readonly ok: true } | { readonly ok: false; readonly detail: string } {
    try {
      this.#socket.request(
        step.kind === "start"
          ? { command: IPVS_COMMAND.newDaemon, daemon: daemonValues(step.daemon) }
          : { command: IPVS_COMMAND.deleteDaemon, daemon: { state: DAEMON_STATE[step.role] } },
      );
      return { ok: true };
    } catch (error) {
      if (error instanceof NetlinkError) return { ok: false, detail: error.message };
      throw error;
    }
  }

  timeouts(): IpvsTimeouts {
    const [answer] = this.#socket.request({ command: IPVS_COMMAND.getConfig });
    const decoded = answer === undefined ? undefined : decodeIpvs(answer);
    if (decoded?.ok !== true) throw new Error("the kernel's answer to IPVS_CMD_GET_CONFIG is malformed");
    const { tcpTimeoutSec: tcp, tcpFinTimeoutSec: tcpfin, udpTimeoutSec: udp } = decoded.value;
    if (tcp === undefined || tcpfin === undefined || udp === undefined)
      throw new Error("the kernel's answer to IPVS_CMD_GET_CONFIG lacks a timeout");
    return { tcp, tcpfin, udp };
  }

  setTimeout(name: keyof IpvsTimeouts, seconds: number): { readonly ok: true } | { readonly ok: false; code: string } {
    const values = { tcpTimeoutSec: 0, tcpFinTimeoutSec: 0, udpTimeoutSec: 0, [TIMEOUT_ATTRIBUTES[name]]: seconds };
    try {
      this.#socket.request({ command: IPVS_COMMAND.setConfig, ...values });
      return { ok: true };
    } catch (error) {
      if (error instanceof NetlinkError) return { ok: false, code: error.message };
      throw error;
    }
  }

  close(): void {
    this.#socket.close();
  }
}

function daemonValues({ role, interface: device, syncId, lengthMax, port, ttl, group }: SyncDaemon): IpvsDaemon {
  return {
    state: DAEMON_STATE[role],
    interface: device,
    syncId,
    ...(lengthMax === undefined ? {} : { lengthMax }),
    ...(family(group) === 6 ? { group6: ipBytes(group) } : { group: ipBytes(group) }),
    port,
    ttl,
  };
}

function foundDaemon(daemon: IpvsDaemon | undefined): readonly FoundSyncDaemon[] {
  const { state, interface: device, syncId, lengthMax, port, ttl, group, group6 } = daemon ?? {};
  if (device === undefined || syncId === undefined) return [];
  const address = group6 === undefined ? group && ipOfInetAddress(group, AF_INET) : ipOfInetAddress(group6, AF_INET6);
  return [
    {
      role: state === DAEMON_STATE.master ? "master" : "backup",
      interface: device,
      syncId,
      ...(lengthMax === undefined ? {} : { lengthMax }),
      ...(port === undefined ? {} : { port }),
      ...(ttl === undefined ? {} : { ttl }),
      ...(address?.ok === true ? { group: address.value } : {}),
    },
  ];
}
