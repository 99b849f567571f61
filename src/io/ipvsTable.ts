import type {
  BatchAnswer,
  IpvsTable,
  KernelDestination,
  KernelService,
  Operation,
  Refusal,
  ServiceKey,
} from "../plan/types.ts";
import {
  decodeIpvs,
  decodeIpvsInfo,
  decodeIpvsWithoutCounters,
  IPVS_COMMAND,
  type IpvsService,
} from "../wire/netlink/ipvs.ts";
import { loadAddon } from "./addon.ts";
import type { NativeAddon } from "./addon.types.ts";
import { kernelDestination, kernelService, serviceKeyValues } from "./ipvsCodec.ts";
import { IpvsSocket } from "./ipvsSocket.ts";
import { LINUX } from "./linux.ts";
import { type MessageOutcome, NetlinkError, NetlinkSocket } from "./netlinkSocket.ts";

/** Each send is waited for. So many of the longest fit into one. */
export const OPERATIONS_PER_SEND = 896;
const DUMP_ATTEMPTS = 5;

const ENOENT = 2;
const ESRCH = 3;
const EEXIST = 17;

/** What ENOENT, EEXIST and ESRCH mean depends on the operation (ip_vs_ctl.c). Others are the errno's own words. */
const REFUSALS: Readonly<Record<string, string>> = {
  [`addService ${EEXIST}`]: "the service exists already",
  [`editService ${ESRCH}`]: "the service does not exist",
  [`deleteService ${ESRCH}`]: "the service does not exist",
  [`addDestination ${ESRCH}`]: "the service does not exist",
  [`editDestination ${ESRCH}`]: "the service does not exist",
  [`deleteDestination ${ESRCH}`]: "the service does not exist",
  [`addDestination ${EEXIST}`]: "the server exists already",
  [`editDestination ${ENOENT}`]: "the server does not exist",
  [`deleteDestination ${ENOENT}`]: "the server does not exist",
};

/**
 * The IPVS table of this network namespace.
 * Throws HoldfastError `ipvsMissing` when the kernel has none, `missingCapability` when we may not ask.
 */
export function openIpvsTable(addon: NativeAddon = loadAddon()): NetlinkIpvsTable {
  return new NetlinkIpvsTable(new IpvsSocket(new NetlinkSocket({ protocol: LINUX.NETLINK_GENERIC }, { addon })));
}

/** IpvsTable by generic netlink; `ipvsadm` does the same. Synchronous. */
export class NetlinkIpvsTable implements IpvsTable {
  readonly #socket: IpvsSocket;

  constructor(socket: IpvsSocket) {
    this.#socket = socket;
  }

  /** ipvsadm's first line. */
  info(): { readonly version: string; readonly connectionTableSize: number } {
    const [message] = this.#socket.request({ command: IPVS_COMMAND.getInfo });
    const info = message === undefined ? undefined : decodeIpvsInfo(message);
    if (info?.ok !== true) throw new Error("the kernel's answer to IPVS_CMD_GET_INFO is malformed");
    const { version, connectionTableSize } = info.value;
    return { version: [version >> 16, (version >> 8) & 0xff, version & 0xff].join("."), connectionTableSize };
  }

  /**
   * The kernel dumps services and the rows of each service by separate requests, and marks none of its IPVS dumps as
   * interrupted. So the services are read again after the rows: when somebody added, changed or deleted one meanwhile, all
   * is asked for once more. Throws NetlinkError `netlinkDumpInterrupted` when that does not end.
   */
  dump(): KernelService[] {
    return this.#dump(decodeIpvsWithoutCounters);
  }

  /** As `dump`, with the counters of services and rows, for people: `ipvsadm -Ln --stats`. */
  dumpWithCounters(): KernelService[] {
    return this.#dump(decodeIpvs);
  }

  #dump(decode: typeof decodeIpvs): KernelService[] {
    for (let attempt = 0; attempt < DUMP_ATTEMPTS; attempt++) {
      const services = this.#services(decode);
      const table = services.map((service) => kernelService(service, this.#destinations(service, decode) ?? []));
      if (fingerprint(services) === fingerprint(this.#services(decodeIpvsWithoutCounters))) return table;
    }
    throw new NetlinkError("netlinkDumpInterrupted", `the IPVS table changed during each of ${DUMP_ATTEMPTS} dumps`);
  }

  dumpDestinations(service: ServiceKey): KernelDestination[] | undefined {
    const rows = this.#destinations(serviceKeyValues(service), decodeIpvsWithoutCounters);
    if (rows === undefined || rows.length > 0) return rows;
    // An unknown service dumps as an empty one: only asking for the service itself tells them apart.
    return this.#exists(service) ? rows : undefined;
  }

  apply(operations: readonly Operation[]): BatchAnswer {
    const { complete, outcomes } = this.#socket.batch(operations, OPERATIONS_PER_SEND);
    if (complete && outcomes.every(({ kind }) => kind === "applied"))
      return { complete, done: operations, refused: [] };
    const done: Operation[] = [];
    const refused: Refusal[] = [];
    for (const [index, operation] of operations.entries()) {
      const outcome = outcomes[index];
      if (outcome?.kind === "applied") done.push(operation);
      else if (outcome?.kind === "failed") refused.push(refusal(operation, outcome));
    }
    return { complete, done, refused };
  }

  close(): void {
    this.#socket.close();
  }

  #services(decode: typeof decodeIpvs): IpvsService[] {
    return this.#socket.dump({ command: IPVS_COMMAND.getService }, decode).flatMap(({ service }) => service ?? []);
  }

  #destinations(service: IpvsService, decode: typeof decodeIpvs): KernelDestination[] | undefined {
    const { family = 0, protocol, address, port, firewallMark } = service;
    const named: IpvsService =
      firewallMark === undefined || firewallMark === 0
        ? { family, ...defined({ protocol, address, port }) }
        : { family, firewallMark };
    try {
      const rows = this.#socket.dump({ command: IPVS_COMMAND.getDestination, service: named }, decode);
      return rows.flatMap(({ destination }) =>
        destination === undefined ? [] : kernelDestination(destination, family),
      );
    } catch (error) {
      if (error instanceof NetlinkError && error.errno === ESRCH) return undefined;
      throw error;
    }
  }

  #exists(service: ServiceKey): boolean {
    try {
      this.#socket.request({ command: IPVS_COMMAND.getService, service: serviceKeyValues(service) });
      return true;
    } catch (error) {
      if (error instanceof NetlinkError && error.errno === ESRCH) return false;
      throw error;
    }
  }
}

function refusal(operation: Operation, { errno, code, text }: MessageOutcome & { kind: "failed" }): Refusal {
  const meaning = missingModule(operation, errno) ?? REFUSALS[`${operation.kind} ${errno}`] ?? text ?? "refused";
  return { operation, errno, message: `${meaning} (${code})` };
}

/** ENOENT of a service is a scheduler or persistence engine that the kernel has not, nor any module of that name. */
function missingModule(operation: Operation, errno: number): string | undefined {
  if (errno !== ENOENT || (operation.kind !== "addService" && operation.kind !== "editService")) return undefined;
  const { scheduler, persistenceEngine } = operation.attributes;
  const lacks = `the kernel has no scheduler ${scheduler}`;
  if (persistenceEngine === "") return `${lacks}: load the module ip_vs_${scheduler}`;
  return `${lacks}, or no persistence engine ${persistenceEngine}: load the modules ip_vs_${scheduler} and ip_vs_pe_${persistenceEngine}`;
}

/** Everything about the services but their counters. */
function fingerprint(services: readonly IpvsService[]): string {
  return JSON.stringify(services.map(({ statistics: _, statistics64: __, ...settings }) => settings));
}

/** Without the members that are undefined. */
function defined<Values extends object>(values: Values): { [Name in keyof Values]?: Exclude<Values[Name], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [Name in keyof Values]?: Exclude<Values[Name], undefined>;
  };
}
