import type { CheckConfig } from "../../src/config/check.types.ts";
import type { RoleLossConfig, VirtualServerConfig } from "../../src/config/types.ts";
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

/** A write service, a read service and perhaps a third over one cluster, with the options that a file may have. */
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
  const readers = HOSTS.map((host) => {
    const native = patroniCheck(host, "replica", { maxLagBytes: dice.chance(0.5) ? 16 : undefined }, timing);
    const check = dice.pick([httpCheck(host, "/replica", timing), tcpCheck(host, timing), native, native]);
    return realServer(host, [check], inhibit);
  });
  const roleLoss = (): RoleLossConfig | undefined => drawRoleLoss(dice);
  const onRoot = HOSTS.map((host) => realServer(host, [httpCheck(host, "/", timing)], inhibit));
  const services = [
    virtualServer(writers, { exclusive: "detected", roleLoss: roleLoss() }),
    virtualServer(readers, { ...targetAt("10.0.2.11"), roleLoss: roleLoss() }),
    virtualServer(onRoot, { ...targetAt("10.0.2.12"), exclusive: "onScope", roleLoss: roleLoss() }),
  ];
  return dice.chance(0.7) ? services : services.slice(0, 2);
}

/** Whether one probe answers both: the same question to the same node. */
export function sameCheck(left: CheckConfig, right: NetworkCheck): boolean {
  if (left.kind !== "HTTP_GET" && left.kind !== "TCP_CHECK" && left.kind !== "patroni") return false;
  if (left.connectIp !== right.connectIp || left.kind !== right.kind) return false;
  if (left.kind !== "HTTP_GET" || right.kind !== "HTTP_GET") return true;
  return left.urls[0]?.path === right.urls[0]?.path;
}
