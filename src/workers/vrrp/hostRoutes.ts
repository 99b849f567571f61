import type { RouteConfig } from "../../config/vrrp.types.ts";
import type { HostNetwork } from "../../io/hostNetwork.ts";
import type { HostRouting, RoutingOperation, RoutingRequest } from "../../io/hostRouting.ts";
import type { RouteRequest } from "../../wire/netlink/rtnl.ts";
import type { ChangeOutcome, HostEvent, RoutingChange, RoutingHost, RoutingObject, VrrpHost } from "./ports.ts";

const NO_DEVICE: ChangeOutcome = { ok: false, code: "ENODEV" };
const UNKNOWN: ChangeOutcome = { ok: false, code: "unknown" };

/** Routes and rules of the configuration in the kernel's tables. `onEvent` gets what `watchRouting` asks for. */
export function openRoutes(
  network: HostNetwork,
  routing: HostRouting,
  onEvent: (event: HostEvent) => void,
): RoutingHost & Pick<VrrpHost, "watchRouting"> {
  let watching = false;
  return {
    applyRoutes: (changes) => applyRoutes(changes, network, routing),
    findRoutes: (wanted) => findRoutes(wanted, network, routing),
    watchRouting: () => {
      if (watching) return;
      watching = true;
      routing.watch({
        changed: () => onEvent({ kind: "routing" }),
        overrun: () => onEvent({ kind: "routing" }),
        error: (error) => onEvent({ kind: "error", error }),
      });
    },
  };
}

function applyRoutes(changes: readonly RoutingChange[], network: HostNetwork, routing: HostRouting): ChangeOutcome[] {
  const requests = requestsOf(
    changes.map(({ object }) => object),
    network,
  );
  const operations = changes.flatMap(({ action, object }, index): RoutingOperation[] => {
    const request = requests[index];
    if (request === undefined) return [];
    const mode = object.kind === "route" && object.route.append ? "append" : "prepend";
    return [action === "add" ? { action, mode, ...request } : { action, ...request }];
  });
  const outcomes = routing.apply(operations).values();
  return requests.map((request) => (request === undefined ? NO_DEVICE : (outcomes.next().value ?? UNKNOWN)));
}

function findRoutes(wanted: readonly RoutingObject[], network: HostNetwork, routing: HostRouting): boolean[] {
  const requests = requestsOf(wanted, network);
  const found = routing.find(requests.filter((request) => request !== undefined)).values();
  return requests.map((request) => request !== undefined && found.next().value === true);
}

/** Undefined where a device is missing: then there is no such route either. */
function requestsOf(objects: readonly RoutingObject[], network: HostNetwork): (RoutingRequest | undefined)[] {
  let indexes: ReadonlyMap<string, number> | undefined;
  const indexOf = (device: string): number | undefined => {
    indexes ??= new Map(network.listLinks().map(({ name, index }) => [name, index]));
    return indexes.get(device);
  };
  return objects.map((object) => {
    // Rules name their interfaces.
    if (object.kind === "rule") return object;
    const route = routeRequest(object.route, indexOf);
    return route === undefined ? undefined : { kind: "route", route };
  });
}

function routeRequest(route: RouteConfig, indexOf: (device: string) => number | undefined): RouteRequest | undefined {
  const devices = [route.device, ...route.nexthops.map(({ device }) => device)].filter((name) => name !== undefined);
  if (devices.some((name) => indexOf(name) === undefined)) return undefined;
  const linkIndex = (device: string | undefined): number | undefined =>
    device === undefined ? undefined : indexOf(device);
  return {
    ...route,
    linkIndex: linkIndex(route.device),
    nexthops: route.nexthops.map((hop) => ({ ...hop, linkIndex: linkIndex(hop.device) })),
  };
}
