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
  const byName = new Map(configured.map((server) => [server.name, server]));
  return health.map((service) => {
    const config = byName.get(service.service);
    const persistenceConfiguredSec = config?.persistenceTimeoutSec ?? 0;
    const states = (config?.targets ?? []).map((target) => table.serviceState(serviceId(target)));
    return {
      ...service,
      scheduler: config?.scheduler ?? "",
      persistenceConfiguredSec,
      persistenceProgrammedSec: service.exclusive ? 0 : persistenceConfiguredSec,
      drifts: states.reduce((sum, { drifts }) => sum + drifts, 0),
      inSync: states.every(({ inSync }) => inSync),
    };
  });
}
