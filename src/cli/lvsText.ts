import type { LvsStatus } from "../daemon/lvs/lvsSide.ts";
import { syncDaemonText } from "../plan/syncDaemons.ts";

/** What `holdfast status` says of IPVS as a whole; nothing where nothing uses it. */
export function lvsSection(lvs: LvsStatus | undefined): string[] {
  if (lvs === undefined) return [];
  const { timeoutsSec, syncDaemons, syncFollows, settings, problems } = lvs;
  const followed = syncFollows === undefined ? "" : `; follows ${syncFollows}`;
  const limits =
    timeoutsSec === undefined
      ? "unknown"
      : `tcp ${timeoutsSec.tcp} s, tcpfin ${timeoutsSec.tcpfin} s, udp ${timeoutsSec.udp} s`;
  return [
    "",
    "IPVS",
    `  idle limits: ${limits}`,
    ...syncDaemons.map((daemon) => `  connection sync: ${syncDaemonText(daemon)}${followed}`),
    ...settings.map(({ name, value, before }) => `  ${settingName(name)} = ${value} for now (before: ${before})`),
    ...problems.map((problem) => `  PROBLEM: ${problem}`),
  ];
}

/** `ipv4/vs/sloppy_tcp` as sysctl(8) writes it. */
const settingName = (name: string): string =>
  name.includes("/") ? `net.${name.replaceAll("/", ".")}` : name.replace("timeout", "idle limit");
