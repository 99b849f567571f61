import { openIpvsSettings } from "../io/ipvsSettings.ts";
import { openIpvsTable } from "../io/ipvsTable.ts";
import { EXIT, type ExitCode } from "./exitCodes.ts";
import { formatCounters, formatIpvsTable, formatSyncDaemons, formatTimeouts } from "./ipvsText.ts";
import { errorText, type Output } from "./output.ts";

export interface IpvsOptions {
  readonly daemon: boolean;
  readonly timeout: boolean;
  readonly stats: boolean;
  readonly rate: boolean;
}

/** `holdfast ipvs`: asks the kernel itself, so it shows the truth also when no daemon runs. */
export function runIpvs(options: IpvsOptions, output: Output): ExitCode {
  try {
    output.out(ipvsText(options));
    return EXIT.ok;
  } catch (error) {
    output.err(errorText(error));
    return EXIT.failed;
  }
}

function ipvsText({ daemon, timeout, stats, rate }: IpvsOptions): string {
  if (daemon || timeout) {
    const settings = openIpvsSettings();
    return `${daemon ? formatSyncDaemons(settings.syncDaemons()) : ""}${timeout ? formatTimeouts(settings.timeouts()) : ""}`;
  }
  const table = openIpvsTable();
  if (stats || rate) return formatCounters(table.info(), table.dumpWithCounters(), stats ? "stats" : "rate");
  return formatIpvsTable(table.info(), table.dump());
}
