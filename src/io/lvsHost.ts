import type { SettingAccess } from "../core/borrowedSettings.ts";
import type { IpvsTimeouts } from "../plan/types.ts";
import { type NetlinkIpvsSettings, openIpvsSettings } from "./ipvsSettings.ts";
import type { Within } from "./networkNamespace.ts";
import { readSysctl, writeSysctl } from "./sysctl.ts";

const TIMEOUT = /^timeout (tcp|tcpfin|udp)$/;

/**
 * What holds for the host's IPVS as a whole: `open` gives the kernel, one socket for all; `access` its settings by name,
 * `timeout tcp` or a path below /proc/sys/net.
 */
export function lvsHost(within: Within): { readonly open: () => NetlinkIpvsSettings; readonly access: SettingAccess } {
  let kernel: NetlinkIpvsSettings | undefined;
  const open = (): NetlinkIpvsSettings => {
    kernel ??= within(() => openIpvsSettings());
    return kernel;
  };
  return {
    open,
    access: {
      read: (name) => {
        const timeout = timeoutOf(name);
        return timeout === undefined ? within(() => readSysctl(name)) : String(open().timeouts()[timeout]);
      },
      write: (name, value) => {
        const timeout = timeoutOf(name);
        return timeout === undefined
          ? within(() => writeSysctl(name, value))
          : open().setTimeout(timeout, Number(value));
      },
    },
  };
}

const timeoutOf = (name: string): keyof IpvsTimeouts | undefined =>
  TIMEOUT.exec(name)?.[1] as keyof IpvsTimeouts | undefined;
