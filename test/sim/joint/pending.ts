import type { VirtualServerConfig } from "../../../src/config/types.ts";
import type { ServiceHealth } from "../../../src/health/types.ts";
import { destinationId } from "../../../src/plan/keys.ts";
import type { DestinationId } from "../../../src/plan/types.ts";
import { hostIp, realServerId } from "../healthRig.ts";
import { isMeant } from "../services.ts";
import { pending } from "../vrrp/pending.ts";
import { addressOf } from "./checkers.ts";
import type { Director } from "./director.ts";
import type { JointWorld } from "./world.ts";

/** What of both halves has not converged, in words; nothing when all is as it should be. */
export function jointPending(world: JointWorld): string[] {
  if (world.vrrp.nowUs < world.clusterRestsAtUs) return ["the cluster moves"];
  return [...pending(world.vrrp), ...world.directors.flatMap((director) => pendingAt(world, director))];
}

function pendingAt(world: JointWorld, director: Director): string[] {
  const { life, router } = director;
  if (life?.programmed !== true) return [`${router.name} has not programmed its table`];
  const difference = director.difference();
  if (difference !== undefined) return [`${router.name}: ${difference}`];
  const view = life.health.view();
  return world.services.flatMap((service) => {
    const health = view.find((each) => each.service === service.name);
    const wrong = health === undefined ? "is not known" : wrongAtRest(world, director, service, health);
    return wrong === undefined ? [] : [`${router.name}: ${service.name} ${wrong}`];
  });
}

/** What clients of a service must find at rest; undefined = they do. */
function wrongAtRest(
  world: JointWorld,
  director: Director,
  service: VirtualServerConfig,
  health: ServiceHealth,
): string | undefined {
  const primary = realServerId(hostIp(world.patroni.leader().host));
  const suspended = service.haSuspend && !director.router.answersFor(addressOf(service), 0);
  if (!suspended && health.exclusive && (health.hunting || health.conflict)) return "has not found its holder";
  const due = new Map<DestinationId, number>();
  for (const server of suspended ? [] : service.realServers) {
    const id = destinationId(server);
    const leads = id === primary;
    if (health.exclusive ? leads : isMeant(server, leads)) due.set(id, server.weight);
  }
  const found = new Map(director.weightsOf(service.name));
  const same = due.size === found.size && [...due].every(([server, weight]) => found.get(server) === weight);
  if (same) return undefined;
  const reasons = health.servers.map(({ server, verdict, reason }) => `${server} ${verdict} ${reason}`).join("; ");
  return `should have ${JSON.stringify([...due])} and has ${JSON.stringify([...found])}: ${reasons}`;
}
