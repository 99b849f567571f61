import { compareIp, endpointText, family, type Ip } from "../core/ip.ts";
import { serviceFamily, serviceId } from "../plan/keys.ts";
import type { FoundSyncDaemon } from "../plan/syncDaemons.ts";
import type { Forwarding, IpvsTimeouts, KernelDestination, KernelService, Statistics } from "../plan/types.ts";

export interface IpvsInfo {
  /** The kernel's IPVS version, for example 1.2.1. */
  readonly version: string;
  readonly connectionTableSize: number;
}

/** Words of ipvsadm(8) for the forwarding methods. */
const FORWARD_WORDS: Readonly<Record<Forwarding, string>> = {
  masq: "Masq",
  tunnel: "Tunnel",
  route: "Route",
  local: "Local",
  bypass: "Bypass",
};

/** Scheduler flags by bit as ipvsadm(8) names them; others print as flag-N. */
const FLAG_WORDS: Readonly<Record<string, readonly string[]>> = {
  sh: ["sh-fallback", "sh-port"],
  mh: ["mh-fallback", "mh-port"],
};

/** ipvsadm 1.31 lists IPv4 before IPv6, firewall marks at the end. */
const PROTOCOL_ORDER = { TCP: 0, UDP: 1, SCTP: 2 } as const;

const PREFIX_DEFAULT = { 4: 32, 6: 128 } as const;

/** The kernel's table as `ipvsadm -Ln` prints it, services and servers in ipvsadm's order. */
export function formatIpvsTable(info: IpvsInfo, services: readonly KernelService[]): string {
  const lines = [
    `IP Virtual Server version ${info.version} (size=${info.connectionTableSize})`,
    "Prot LocalAddress:Port Scheduler Flags",
    "  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn",
  ];
  for (const service of [...services].sort(compareServices)) {
    lines.push(serviceLine(service));
    lines.push(...[...service.destinations].sort(compareEndpoints).map(destinationLine));
  }
  return `${lines.join("\n")}\n`;
}

/** Columns of `--stats` and `--rate`, with the counters that they show. */
const COUNTERS = {
  stats: [
    ["Conns", "connections"],
    ["InPkts", "packetsIn"],
    ["OutPkts", "packetsOut"],
    ["InBytes", "bytesIn"],
    ["OutBytes", "bytesOut"],
  ],
  rate: [
    ["CPS", "connectionsPerSecond"],
    ["InPPS", "packetsInPerSecond"],
    ["OutPPS", "packetsOutPerSecond"],
    ["InBPS", "bytesInPerSecond"],
    ["OutBPS", "bytesOutPerSecond"],
  ],
} as const satisfies Readonly<Record<string, readonly (readonly [string, keyof Statistics])[]>>;

/** `ipvsadm -Ln --stats`: counted since the row was made; `--rate`: a second, as the kernel's estimator has it. */
export function formatCounters(
  info: IpvsInfo,
  services: readonly KernelService[],
  kind: keyof typeof COUNTERS,
): string {
  const columns = COUNTERS[kind];
  const line = (name: string, cells: readonly string[]): string =>
    `${name.padEnd(33)}${cells.map((cell) => ` ${cell.padStart(8)}`).join("")}`;
  const counted = (name: string, statistics: Statistics): string =>
    line(
      name,
      columns.map(([, counter]) => largeNumber(statistics[counter])),
    );
  const lines = [
    `IP Virtual Server version ${info.version} (size=${info.connectionTableSize})`,
    line(
      "Prot LocalAddress:Port",
      columns.map(([title]) => title),
    ),
    "  -> RemoteAddress:Port",
  ];
  for (const service of [...services].sort(compareServices)) {
    lines.push(counted(serviceName(service), service.statistics));
    for (const row of [...service.destinations].sort(compareEndpoints))
      lines.push(counted(`  -> ${endpointText(row.address, row.port)}`, row.statistics));
  }
  return `${lines.join("\n")}\n`;
}

/** ipvsadm(8), --exact: else "only the rounded number in K's (multiples of 1000), M's or G's", where eight digits do not hold it. */
function largeNumber(value: bigint): string {
  if (value < 100_000_000n) return String(value);
  if (value < 1_000_000_000n) return `${value / 1_000n}K`;
  if (value < 100_000_000_000n) return `${value / 1_000_000n}M`;
  if (value < 100_000_000_000_000n) return `${value / 1_000_000_000n}G`;
  return `${value / 1_000_000_000_000n}T`;
}

/** `ipvsadm -Ln --timeout` */
export function formatTimeouts({ tcp, tcpfin, udp }: IpvsTimeouts): string {
  return `Timeout (tcp tcpfin udp): ${tcp} ${tcpfin} ${udp}\n`;
}

/** `ipvsadm -Ln --daemon`: kernels before 4.3 tell interface and id alone. */
export function formatSyncDaemons(daemons: readonly FoundSyncDaemon[]): string {
  return daemons
    .map(({ role, interface: device, syncId, lengthMax, group, port, ttl }) => {
      const words = Object.entries({ mcast: device, syncid: syncId, maxlen: lengthMax, group, port, ttl });
      const told = words.filter(([, value]) => value !== undefined).map(([name, value]) => `${name}=${value}`);
      return `${role} sync daemon (${told.join(", ")})\n`;
    })
    .join("");
}

function serviceName({ key }: KernelService): string {
  const [protocol = "", ...rest] = serviceId(key).split(" ");
  return [protocol.padEnd(4), ...rest].join(" ");
}

function serviceLine(service: KernelService): string {
  const words = [serviceName(service), service.scheduler, ...flagWords(service)];
  if (service.persistenceTimeoutSec > 0) {
    words.push("persistent", String(service.persistenceTimeoutSec));
    const addressFamily = serviceFamily(service.key);
    if (service.persistencePrefix !== PREFIX_DEFAULT[addressFamily])
      words.push("mask", maskText(addressFamily, service.persistencePrefix));
  }
  if (service.persistenceEngine !== "") words.push("pe", service.persistenceEngine);
  if (service.onePacket) words.push("ops");
  return words.join(" ");
}

function flagWords(service: KernelService): string[] {
  const names = [0, 1, 2]
    .filter((bit) => (service.schedulerFlags & (1 << bit)) !== 0)
    .map((bit) => FLAG_WORDS[service.scheduler]?.[bit] ?? `flag-${bit + 1}`);
  return names.length === 0 ? [] : [`(${names.join(",")})`];
}

function maskText(addressFamily: 4 | 6, prefix: number): string {
  if (addressFamily === 6) return String(prefix);
  const mask = (0xffffffff << (32 - prefix)) >>> 0;
  return [24, 16, 8, 0].map((shift) => (mask >>> shift) & 0xff).join(".");
}

function destinationLine(destination: KernelDestination): string {
  const columns = [
    endpointText(destination.address, destination.port).padEnd(28),
    FORWARD_WORDS[destination.forwarding].padEnd(7),
    String(destination.weight).padEnd(6),
    String(destination.activeConnections).padEnd(10),
    String(destination.inactiveConnections).padEnd(10),
  ];
  return `  -> ${columns.join(" ")}`;
}

function compareServices({ key: left }: KernelService, { key: right }: KernelService): number {
  if (left.protocol === "FWM" || right.protocol === "FWM") {
    if (left.protocol === "FWM" && right.protocol === "FWM")
      return left.mark - right.mark || left.family - right.family;
    return left.protocol === "FWM" ? 1 : -1;
  }
  const byFamily = family(left.address) - family(right.address);
  return byFamily || PROTOCOL_ORDER[left.protocol] - PROTOCOL_ORDER[right.protocol] || compareEndpoints(left, right);
}

function compareEndpoints(left: { address: Ip; port: number }, right: { address: Ip; port: number }): number {
  return compareIp(left.address, right.address) || left.port - right.port;
}
