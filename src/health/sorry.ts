import type { DesiredDestination } from "../plan/types.ts";
import type { ServiceState } from "./state.ts";

/** True while the sorry server has the service's place. */
export function isSorry({ config, quorum }: Pick<ServiceState, "config" | "quorum">): boolean {
  return quorum === "down" && config.sorryServer !== undefined;
}

/** The weight of the sorry server's row; undefined = it has none. */
export function sorryWeight(service: ServiceState): DesiredDestination["weight"] | undefined {
  const { sorryServer } = service.config;
  if (sorryServer === undefined) return undefined;
  if (isSorry(service)) return 1;
  return sorryServer.inhibit ? 0 : undefined;
}
