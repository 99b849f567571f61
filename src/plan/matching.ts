import { serviceId } from "./keys.ts";
import type { DesiredService, ServiceId, ServiceKey, TableService } from "./types.ts";

/** Both sides of a diff, service by service. */
export interface Matched {
  /** Wanted services that the table may lack or have otherwise. */
  readonly wanted: readonly DesiredService[];
  /** What the table has of each of `wanted`, at its place. */
  readonly found: readonly (TableService | undefined)[];
  /** Services of the table that are not wanted. */
  readonly unwanted: readonly TableService[];
}

/**
 * Finds what the table has of each wanted service: by place as long as both sides agree, which costs nearly nothing, the rest by
 * name. A wanted service that the table has as this very object, having been told so, is left out: services are immutable,
 * and among thousands nearly all are what they were.
 * @param foreign what else the table has, expected to be wanted by nobody
 */
export function match(
  desired: readonly DesiredService[],
  table: readonly TableService[],
  foreign: readonly TableService[] = [],
): Matched {
  const wanted: DesiredService[] = [];
  const found: (TableService | undefined)[] = [];
  let place = 0;
  for (; place < desired.length; place++) {
    const service = desired[place];
    const there = table[place];
    if (service === undefined || there === undefined) break;
    if (service === there) continue;
    if (!sameKey(service.key, there.key)) break;
    wanted.push(service);
    found.push(there);
  }
  let more = desired.length;
  let moreThere = table.length;
  // One service that came or went moves all behind it.
  while (more > place && moreThere > place && desired[more - 1] === table[moreThere - 1]) {
    more--;
    moreThere--;
  }
  const left = [...table.slice(place, moreThere), ...foreign];
  if (more === place) return { wanted, found, unwanted: left };
  const byName = new Map(left.map((service): [ServiceId, TableService] => [serviceId(service.key), service]));
  for (const service of desired.slice(place, more)) {
    const id = serviceId(service.key);
    const there = byName.get(id);
    byName.delete(id);
    if (there === service) continue;
    wanted.push(service);
    found.push(there);
  }
  return { wanted, found, unwanted: [...byName.values()] };
}

/** What `serviceId` tells, without making it. */
function sameKey(left: ServiceKey, right: ServiceKey): boolean {
  if (left === right) return true;
  if (left.protocol === "FWM") {
    return right.protocol === "FWM" && left.mark === right.mark && left.family === right.family;
  }
  return left.protocol === right.protocol && left.port === right.port && left.address === right.address;
}
