import type { VirtualServerConfig } from "../config/types.ts";
import type { ServiceHealth } from "../health/types.ts";
import { serviceId } from "../plan/keys.ts";
import type { ServiceStatus } from "./control.types.ts";
import type { TableOwner } from "./tableOwner.ts";

/** What health knows of each service, with what the table's owner knows of its rows. */
export function serviceStatuses(
  configured: readonly VirtualServerConfig[],
  health: readonly ServiceHealth[],
  table: Pick<TableOwner, "serviceState">,
): ServiceStatus[] {
  const byId = new Map(configured.map((server) => [serviceId(server), server]));
  return health.map((service) => {
    const config = byId.get(service.service);
    const persistenceConfiguredSec = config?.persistenceTimeoutSec ?? 0;
    const { drifts, inSync } = table.serviceState(service.service);
    return {
      ...service,
      scheduler: config?.scheduler ?? "",
      persistenceConfiguredSec,
      persistenceProgrammedSec: service.exclusive ? 0 : persistenceConfiguredSec,
      drifts,
      inSync,
    };
  });
}
