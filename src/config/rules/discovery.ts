import type { ParsedService } from "../build/parsed.ts";
import type { DiagnosticList } from "../diagnostics.ts";

/** Discovered members are checked by the virtual server's own `patroni`, each at its own address. */
export function checkDiscoveryRules({ values }: ParsedService, found: DiagnosticList): void {
  const { patroni_cluster: cluster } = values;
  if (cluster === undefined) return;
  const block = values.patroni.at(-1);
  if (block?.seen.has("role") !== true) {
    const message = "patroni_cluster needs patroni with a role in the virtual server: it tells how members are asked";
    found.error("missing-keyword", cluster.at, message, "add for example: patroni { role primary }");
  }
  const fixed = block?.values.connect_ip;
  if (fixed !== undefined) {
    const message = `connect_ip ${fixed.value} would ask one address for every member that patroni_cluster finds`;
    found.error("contradiction", fixed.at, message, "remove it: each member is asked where it says that it listens");
  }
}
