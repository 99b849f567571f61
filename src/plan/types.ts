import type { Ip } from "../core/ip.ts";

/**
 * The nouns of the kernel's IPVS table, without netlink: what is wanted, what is there, and the operations between them.
 * Words are ipvsadm's.
 */
export interface ServiceKey {
  readonly protocol: "TCP" | "UDP" | "SCTP";
  readonly address: Ip;
  readonly port: number;
}

export interface DestinationKey {
  readonly address: Ip;
  readonly port: number;
}

/** `TCP 10.0.2.10:5432` and `10.0.2.3:5432`: usable as map keys and readable in logs. IPv6 addresses are bracketed. */
export type ServiceId = string;
export type DestinationId = string;

/** ipvsadm's -m, -i, -g, a local node, and what only other programs can make. */
export type Forwarding = "masq" | "tunnel" | "route" | "local" | "bypass";

export interface ServiceAttributes {
  readonly scheduler: string;
  /** 0 = no persistence. */
  readonly persistenceTimeoutSec: number;
  /** Persistence granularity; 32 or 128 by default. */
  readonly persistencePrefix: number;
  readonly onePacket: boolean;
  /** sh-port, mh-fallback and the like (IP_VS_SVC_F_SCHED1 to 3 as bits 0 to 2). */
  readonly schedulerFlags: number;
}

export interface DestinationAttributes {
  readonly weight: number;
  readonly forwarding: Forwarding;
  readonly upperThreshold: number;
  readonly lowerThreshold: number;
}

export interface DesiredDestination extends DestinationKey, DestinationAttributes {}

export interface DesiredService extends ServiceKey, ServiceAttributes {
  /** At most one destination with weight above 0, ever: raised only after the others were seen at 0. */
  readonly exclusive: boolean;
  readonly destinations: readonly DesiredDestination[];
}

export interface Statistics {
  readonly connections: bigint;
  readonly packetsIn: bigint;
  readonly packetsOut: bigint;
  readonly bytesIn: bigint;
  readonly bytesOut: bigint;
}

export interface KernelDestination extends DestinationKey, DestinationAttributes {
  readonly activeConnections: number;
  readonly inactiveConnections: number;
  readonly persistentConnections: number;
  readonly statistics: Statistics;
}

export interface KernelService extends ServiceAttributes {
  /** Services by firewall mark exist in the kernel too; they are never ours in this version. */
  readonly match:
    | ({ readonly kind: "address" } & ServiceKey)
    | { readonly kind: "fwmark"; readonly mark: number; readonly family: 4 | 6 };
  readonly statistics: Statistics;
  readonly destinations: readonly KernelDestination[];
}

/** An operation's meaning depends only on its fields. Each names its ipvsadm equivalent. */
export type Operation =
  /** ipvsadm -A */
  | { readonly kind: "addService"; readonly service: ServiceKey; readonly attributes: ServiceAttributes }
  /** ipvsadm -E */
  | { readonly kind: "editService"; readonly service: ServiceKey; readonly attributes: ServiceAttributes }
  /** ipvsadm -D */
  | { readonly kind: "deleteService"; readonly service: ServiceKey }
  /** ipvsadm -a */
  | {
      readonly kind: "addDestination";
      readonly service: ServiceKey;
      readonly destination: DestinationKey;
      readonly attributes: DestinationAttributes;
    }
  /** ipvsadm -e */
  | {
      readonly kind: "editDestination";
      readonly service: ServiceKey;
      readonly destination: DestinationKey;
      readonly attributes: DestinationAttributes;
    }
  /** ipvsadm -d */
  | { readonly kind: "deleteDestination"; readonly service: ServiceKey; readonly destination: DestinationKey };

/** What became of one operation: `errno` as the kernel's positive number. */
export type OperationOutcome =
  | { readonly operation: Operation; readonly ok: true }
  | { readonly operation: Operation; readonly ok: false; readonly errno: number; readonly message: string };

/**
 * The kernel's table as the daemon uses it: `io` implements it by netlink, simulations by a fake kernel. Synchronous:
 * the kernel has applied what it applied when a call returns.
 */
export interface IpvsTable {
  /** Whole table, never a mixture of two states: an interrupted dump is retried. Throws HoldfastError when IPVS is missing. */
  dump(): KernelService[];
  /** The rows of one service; undefined when the service does not exist. */
  dumpDestinations(service: ServiceKey): KernelDestination[] | undefined;
  /** In order, batched. `complete: false` = the outcome of some is unknown (ENOBUFS, missing last ACK): dump and diff again. */
  apply(operations: readonly Operation[]): {
    readonly complete: boolean;
    readonly outcomes: readonly OperationOutcome[];
  };
}
