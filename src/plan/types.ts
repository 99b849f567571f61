import type { Family, Ip } from "../core/ip.ts";

/**
 * The nouns of the kernel's IPVS table, without netlink: what is wanted, what is there, and the operations between them.
 * Words are ipvsadm's.
 */
export type ServiceKey =
  /** Port 0 = every port: the kernel takes it with persistence only. */
  | { readonly protocol: "TCP" | "UDP" | "SCTP"; readonly address: Ip; readonly port: number }
  /** Packets with a firewall mark (above 0), whatever their protocol; both families may use one mark. */
  | { readonly protocol: "FWM"; readonly mark: number; readonly family: Family };

export interface DestinationKey {
  readonly address: Ip;
  readonly port: number;
}

/** `TCP 10.0.2.10:5432`, `FWM 7` and `10.0.2.3:5432`: usable as map keys and readable in logs. IPv6 addresses are bracketed. */
export type ServiceId = string;
export type DestinationId = string;

/** ipvsadm's -m, -i, -g, a local node, and what only other programs can make. */
export type Forwarding = "masq" | "tunnel" | "route" | "local" | "bypass";
/** ipvsadm's --tun-type */
export type TunnelType = "ipip" | "gue" | "gre";
/** ipvsadm's --tun-nocsum, --tun-csum and --tun-remcsum */
export type TunnelChecksum = "nocsum" | "csum" | "remcsum";

export interface ServiceAttributes {
  readonly scheduler: string;
  /** 0 = no persistence. */
  readonly persistenceTimeoutSec: number;
  /** Persistence granularity; 32 or 128 by default. */
  readonly persistencePrefix: number;
  readonly onePacket: boolean;
  /** sh-port, mh-fallback and the like (IP_VS_SVC_F_SCHED1 to 3 as bits 0 to 2). */
  readonly schedulerFlags: number;
  /** `sip`; empty = the client's address is what persistence goes by. */
  readonly persistenceEngine: string;
}

export interface DestinationAttributes {
  readonly weight: number;
  readonly forwarding: Forwarding;
  /** Connections from which on the server is overloaded and gets no new ones; 0 = no limit. */
  readonly upperThreshold: number;
  /** Connections below which an overloaded server gets new ones again; 0 = three quarters of the upper threshold. */
  readonly lowerThreshold: number;
  /** `ipip`, 0 and `nocsum` for everything that is no tunnel, too. */
  readonly tunnelType: TunnelType;
  /** UDP port of GUE, else 0. */
  readonly tunnelPort: number;
  readonly tunnelChecksum: TunnelChecksum;
}

export interface DesiredDestination extends DestinationKey, DestinationAttributes {}

/** A service with its rows, whoever says so: a configuration that wants it, or a table that has it. */
export interface TableService extends ServiceAttributes {
  readonly key: ServiceKey;
  readonly destinations: readonly DesiredDestination[];
}

export interface DesiredService extends TableService {
  /** At most one destination with weight above 0, ever: raised only after the others were seen at 0. */
  readonly exclusive: boolean;
}

export interface Statistics {
  readonly connections: bigint;
  readonly packetsIn: bigint;
  readonly packetsOut: bigint;
  readonly bytesIn: bigint;
  readonly bytesOut: bigint;
  /** By the kernel's estimator. */
  readonly connectionsPerSecond: bigint;
  readonly packetsInPerSecond: bigint;
  readonly packetsOutPerSecond: bigint;
  readonly bytesInPerSecond: bigint;
  readonly bytesOutPerSecond: bigint;
}

/** Of a row that has just been made, or where counters were not asked for. */
export const NO_STATISTICS: Statistics = {
  ...{ connections: 0n, packetsIn: 0n, packetsOut: 0n, bytesIn: 0n, bytesOut: 0n },
  ...{ connectionsPerSecond: 0n, packetsInPerSecond: 0n, packetsOutPerSecond: 0n },
  ...{ bytesInPerSecond: 0n, bytesOutPerSecond: 0n },
};

export interface KernelDestination extends DestinationKey, DestinationAttributes {
  readonly activeConnections: number;
  readonly inactiveConnections: number;
  readonly persistentConnections: number;
  readonly statistics: Statistics;
}

export interface KernelService extends TableService {
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

/** An operation that the kernel answered with an errno. */
export interface Refusal {
  readonly operation: Operation;
  /** The kernel's positive number. */
  readonly errno: number;
  readonly message: string;
}

/** What became of a batch. */
export interface BatchAnswer {
  /** False = the outcome of some is unknown (ENOBUFS, missing last ACK): dump and diff again. */
  readonly complete: boolean;
  /** Answered with success, in order. Where that is the whole batch, it is the batch's own array: one may hold thousands. */
  readonly done: readonly Operation[];
  /** In order. */
  readonly refused: readonly Refusal[];
}

/** Idle limits of connections of a whole IPVS (`lvs_timeouts`, `ipvsadm --set`), in seconds. */
export interface IpvsTimeouts {
  readonly tcp: number;
  readonly tcpfin: number;
  readonly udp: number;
}

/**
 * The kernel's table as the daemon uses it: `io` implements it by netlink, simulations by a fake kernel. Synchronous:
 * the kernel has applied what it applied when a call returns.
 */
export interface IpvsTable {
  /**
   * Whole table, without its counters, never a mixture of two states: an interrupted dump is retried. Throws HoldfastError when
   * IPVS is missing.
   */
  dump(): KernelService[];
  /** The rows of one service, without their counters; undefined when the service does not exist. */
  dumpDestinations(service: ServiceKey): KernelDestination[] | undefined;
  /** In order, batched. */
  apply(operations: readonly Operation[]): BatchAnswer;
}
