/** Tables of many services, in the words of each program that writes them. */
import { ip } from "../../src/core/ip.ts";
import type { DesiredService, Operation } from "../../src/plan/types.ts";
import { PLAIN_ROW, PLAIN_SERVICE } from "../lab/ipvsDefaults.ts";

export interface Size {
  readonly services: number;
  /** Of each service. */
  readonly servers: number;
}

/** Every row's weight, and what the one row has that differs. */
export interface Weights {
  readonly all: number;
  /** Of the first row of the service in the middle; without it as all. */
  readonly one?: number;
}

/** `remove`: the services, with all of their rows. */
export type Step = "add" | "changeAll" | "changeOne" | "remove";
export const STEPS: readonly Step[] = ["add", "changeAll", "changeOne", "remove"];
/** What the table holds after each step but the last. */
export const WEIGHTS = {
  add: { all: 10 },
  changeAll: { all: 20 },
  changeOne: { all: 20, one: 21 },
} as const satisfies Partial<Record<Step, Weights>>;

const serviceAddress = (index: number): string => `10.1.${index >> 8}.${index & 0xff}`;
const serverAddress = (index: number): string => `10.2.0.${index + 1}`;

/** Calls `text` for each service, with all of its rows. */
function texts({ services, servers }: Size, { all, one = all }: Weights, text: TextOfService): string {
  return Array.from({ length: services }, (_, service) => {
    const odd = service === services >> 1;
    const rows = Array.from({ length: servers }, (_unused, server) => ({
      address: serverAddress(server),
      weight: odd && server === 0 ? one : all,
    }));
    return text(serviceAddress(service), rows);
  }).join("");
}

type TextOfService = (
  address: string,
  rows: readonly { readonly address: string; readonly weight: number }[],
) => string;

export function desiredTable({ services, servers }: Size, { all, one = all }: Weights): DesiredService[] {
  return Array.from({ length: services }, (_, service) => ({
    key: { protocol: "TCP", address: ip(serviceAddress(service)), port: 80 },
    ...PLAIN_SERVICE,
    scheduler: "wlc",
    exclusive: false,
    destinations: Array.from({ length: servers }, (_unused, server) => ({
      address: ip(serverAddress(server)),
      port: 80,
      weight: service === services >> 1 && server === 0 ? one : all,
      ...PLAIN_ROW,
    })),
  }));
}

/** keepalived.conf for the same table, its servers without checks so that only the programming is timed. */
export function tableConfiguration(size: Size, weights: Weights): string {
  return texts(size, weights, (service, rows) => {
    const servers = rows.map(({ address, weight }) => `  real_server ${address} 80 {\n    weight ${weight}\n  }\n`);
    return `virtual_server ${service} 80 {\n  lvs_method DR\n  lb_algo wlc\n  protocol TCP\n${servers.join("")}}\n`;
  });
}

/** Standard input of `ipvsadm -R` for a step; `remove` is `ipvsadm -C`. */
export function ipvsadmCommands(size: Size, step: Exclude<Step, "remove">): string {
  const weights: Weights = WEIGHTS[step];
  const [flag, isNew] = step === "add" ? ["-a", true] : ["-e", false];
  return texts(size, weights, (service, rows) => {
    const servers = rows
      .filter(({ weight }) => step !== "changeOne" || weight === weights.one)
      .map(({ address, weight }) => `${flag} -t ${service}:80 -r ${address}:80 -g -w ${weight}\n`);
    return `${isNew ? `-A -t ${service}:80 -s wlc\n` : ""}${servers.join("")}`;
  });
}

/** The fewest operations of a step. */
export function fewestOperations(size: Size, step: Step): Operation[] {
  if (step === "remove") {
    return desiredTable(size, { all: 0 }).map(({ key }) => ({ kind: "deleteService", service: key }));
  }
  const weights: Weights = WEIGHTS[step];
  return desiredTable(size, weights).flatMap((service): Operation[] => {
    const rows = service.destinations
      .filter(({ weight }) => step !== "changeOne" || weight === weights.one)
      .map(
        (destination): Operation => ({
          kind: step === "add" ? "addDestination" : "editDestination",
          service: service.key,
          destination,
          attributes: destination,
        }),
      );
    return step === "add" ? [{ kind: "addService", service: service.key, attributes: service }, ...rows] : rows;
  });
}
