import type { CheckConfig } from "../../src/config/check.types.ts";
import type { RealServerConfig, RoleLossConfig, VirtualServerConfig } from "../../src/config/types.ts";
import { seconds } from "../../src/core/units.ts";
import type { Dice } from "./dice.ts";
import {
  httpCheck,
  type NetworkCheck,
  patroniCheck,
  realServer,
  targetAt,
  tcpCheck,
  virtualServer,
} from "./healthRig.ts";
import { drawRoleLoss } from "./sessions.ts";

/** The members of the simulated cluster, by the last number of their address. */
export const HOSTS: readonly number[] = [3, 4, 5];

/**
 * A write service, a read service and perhaps a third over one cluster, with the options that a file may have: now and then a
 * file takes a service's exclusiveness away, or gives readers a second tier.
 */
export function drawServices(dice: Dice): VirtualServerConfig[] {
  const inhibit = dice.chance(0.5);
  const timing = { retry: dice.integer(0, 2), delayBeforeRetry: seconds(dice.pick([0.2, 1])) };
  // Either kind of check in the whole configuration, or the native one for one service: then nodes are asked two questions.
  const leaderPath = dice.pick(["/primary", "/master", "/read-write", "patroni", "patroni"]);
  const writers = HOSTS.map((host) => {
    const native = leaderPath === "patroni";
    const check = native ? patroniCheck(host, "primary", {}, timing) : httpCheck(host, leaderPath, timing);
    return realServer(host, [check], inhibit);
  });
  const tiers = dice.chance(0.4);
  const readers = HOSTS.map((host) => {
    if (tiers) {
      const server = realServer(host, [patroniCheck(host, "replica", {}, timing)], inhibit);
      return { ...server, fallback: patroniCheck(host, "primary", {}, timing) };
    }
    const native = patroniCheck(host, "replica", { maxLagBytes: dice.chance(0.5) ? 16 : undefined }, timing);
    const check = dice.pick([httpCheck(host, "/replica", timing), tcpCheck(host, timing), native, native]);
    return realServer(host, [check], inhibit);
  });
  const exclusive = (found: "detected" | "onScope") => (dice.chance(0.15) ? "off" : found);
  const roleLoss = (): RoleLossConfig | undefined => drawRoleLoss(dice);
  const onRoot = HOSTS.map((host) => realServer(host, [httpCheck(host, "/", timing)], inhibit));
  const services = [
    virtualServer(writers, { exclusive: exclusive("detected"), roleLoss: roleLoss() }),
    virtualServer(readers, {
      ...{ ...targetAt("10.0.2.11"), roleLoss: roleLoss() },
      ...(tiers ? { fallbackAfter: seconds(dice.pick([0, 0.5, 2])) } : {}),
    }),
    virtualServer(onRoot, { ...targetAt("10.0.2.12"), exclusive: exclusive("onScope"), roleLoss: roleLoss() }),
  ];
  return dice.chance(0.7) ? services : services.slice(0, 2);
}

/** Whether a server of a service is meant to have weight, by the role that its node has in a cluster at rest. */
export function isMeant({ checks: [check] }: RealServerConfig, leads: boolean): boolean {
  if (check?.kind === "patroni") return leads === (check.role === "primary");
  if (check?.kind === "HTTP_GET") return leads !== (check.urls[0]?.path === "/replica");
  return true;
}

/** Whether one probe answers both: the same question to the same node. */
export function sameCheck(left: CheckConfig, right: NetworkCheck): boolean {
  if (left.kind !== "HTTP_GET" && left.kind !== "TCP_CHECK" && left.kind !== "patroni") return false;
  if (left.connectIp !== right.connectIp || left.kind !== right.kind) return false;
  if (left.kind !== "HTTP_GET" || right.kind !== "HTTP_GET") return true;
  return left.urls[0]?.path === right.urls[0]?.path;
}
