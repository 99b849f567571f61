import { family } from "../../core/ip.ts";
import type { ParsedService } from "../build/parsed.ts";
import type { DiagnosticList } from "../diagnostics.ts";
import { formatHeader } from "../keywords/serviceKinds.ts";
import type { Parsed } from "./rule.ts";

/** Rules of what holds for the whole of IPVS. */
export function checkLvsGlobalRules({ file, global }: Parsed, found: DiagnosticList): void {
  const { lvs_sync_daemon: written } = global;
  if (written === undefined) return;
  const { instance } = written.value;
  if (instance !== undefined && !file.vrrp_instance.some(({ header }) => header === instance.text)) {
    const names = file.vrrp_instance.map(({ header }) => header).join(", ");
    const remedy = names === "" ? "remove it, or add the instance" : `write one of ${names}`;
    found.error("unknown-name", instance.word.at, `there is no vrrp_instance ${instance.text} to follow`, remedy);
  }
  const mixed = file.virtual_server.find(tunnelsIntoOtherFamily);
  if (mixed !== undefined) {
    const message = `the kernel has no connection sync while a service has servers of the other address family, as virtual_server ${formatHeader(mixed.header)} has`;
    found.error("sync-mixed-family", written.at, message, "remove lvs_sync_daemon, or those servers");
  }
}

function tunnelsIntoOtherFamily({ header, values }: ParsedService): boolean {
  const families = new Set(values.real_server.map((server) => family(server.header.address)));
  if (header.kind === "address") families.add(family(header.address));
  return families.size > 1;
}
