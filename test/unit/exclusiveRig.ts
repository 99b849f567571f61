import { expect } from "vitest";
import type { VirtualServerConfig } from "../../src/config/types.ts";
import { seconds } from "../../src/core/units.ts";
import { HealthRig, type Reply, writeService } from "../sim/healthRig.ts";
import { follows, leads } from "../sim/patroniAnswers.ts";

export const ID = "TCP 10.0.2.10:5432";
export const server = (host: number): string => `10.0.2.${host}:5432`;
export const existing = (weights: Readonly<Record<number, number>>) =>
  new Map([[ID, new Map(Object.entries(weights).map(([host, weight]) => [server(Number(host)), weight]))]]);

export type Nodes = Record<number, Reply | undefined>;

/** A rig over members 3, 4, 5; what a node answers may be changed while it runs. */
export function rigWith(nodes: Nodes, config: VirtualServerConfig = writeService(), weights = {}): HealthRig {
  const rig = new HealthRig({
    respond: (check) => nodes[Number(check.connectIp.split(".").at(-1))],
    onEffects: () => expectOneWeight(rig),
  });
  rig.configure([config], existing(weights));
  return rig;
}

/** The promise itself, after every step of every test. */
function expectOneWeight(rig: HealthRig | undefined): void {
  for (const service of rig?.desired() ?? []) {
    if (service.exclusive) expect(service.destinations.filter((row) => row.weight > 0).length).toBeLessThan(2);
  }
}

/** A settled cluster: 3 leads, 4 and 5 follow. */
export function settled(nodes: Nodes = {}, config = writeService()): { rig: HealthRig; nodes: Nodes } {
  const all: Nodes = { 3: leads(), 4: follows(), 5: follows(), ...nodes };
  const rig = rigWith(all, config);
  rig.run(seconds(3));
  expect(rig.view()[0]?.holder).toBe(server(3));
  return { rig, nodes: all };
}
