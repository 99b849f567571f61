/** One keepalived.conf for either program, as short as it can be: what is not written is the default of keepalived.conf(5). */
export interface InstanceText {
  /** Default `RW`. */
  readonly name?: string;
  readonly priority: number;
  /** Seconds, as written in the file. */
  readonly interval: number;
  readonly version: 2 | 3;
  /** Default 1. */
  readonly virtualRouterId?: number;
  readonly interface?: string;
  /** As written in `virtual_ipaddress`. */
  readonly addresses: readonly string[];
  /** Further lines of the instance. */
  readonly lines?: readonly string[];
}

/** Version 3 at 0.1 s, with one address inside the network. */
export function quickInstance(priority: number, address: string, lines: readonly string[]): InstanceText {
  return { priority, lines, version: 3, interval: 0.1, addresses: [`${address}/24`] };
}

export function instanceText(instance: InstanceText): string {
  const { addresses, lines = [] } = instance;
  return `vrrp_instance ${instance.name ?? "RW"} {
  state BACKUP
  interface ${instance.interface ?? "eth0"}
  virtual_router_id ${instance.virtualRouterId ?? 1}
  version ${instance.version}
  priority ${instance.priority}
  advert_int ${instance.interval}
${lines.map((line) => `  ${line}\n`).join("")}  virtual_ipaddress {
${addresses.map((address) => `    ${address}\n`).join("")}  }
}
`;
}

/** RFC 3768 6.1 and RFC 9568 6.1, in milliseconds; `interval` in seconds. */
export function skewMs(instance: Pick<InstanceText, "version" | "interval" | "priority">): number {
  const unitMs = instance.version === 2 ? 1000 : instance.interval * 1000;
  return ((256 - instance.priority) / 256) * unitMs;
}

export function masterDownMs(instance: Pick<InstanceText, "version" | "interval" | "priority">): number {
  return 3 * instance.interval * 1000 + skewMs(instance);
}
