/**
 * The kernel's IPVS table as its own text file shows it, read without any code of the product: /proc/net/ip_vs of a
 * namespace. `ipvsadm -Ln` prints the same with decimal addresses.
 */
import type { Namespace } from "./netns.ts";

export interface TableRow {
  /** `10.0.2.3:5432` */
  readonly server: string;
  readonly forwarding: string;
  readonly weight: number;
  readonly active: number;
  readonly inactive: number;
}

export interface TableService {
  /** `TCP 10.0.2.10:5432` */
  readonly service: string;
  readonly scheduler: string;
  /** Persistence and options, as the kernel writes them; empty without. */
  readonly flags: string;
  readonly rows: readonly TableRow[];
}

/** Reads the text of /proc/net/ip_vs; services by address, IPv4 only. Rows are sorted: the kernel's order is its own affair. */
export function parseTable(text: string): TableService[] {
  const services: (TableService & { rows: TableRow[] })[] = [];
  for (const line of text.split("\n").slice(3)) {
    const words = line.trim().split(/\s+/);
    const [first = "", second = "", third = "", ...rest] = words;
    if (first === "->") {
      const [weight, active, inactive] = rest.map(Number);
      services.at(-1)?.rows.push({
        server: endpoint(second),
        forwarding: third,
        weight: weight ?? 0,
        active: active ?? 0,
        inactive: inactive ?? 0,
      });
    } else if (first === "TCP" || first === "UDP") {
      services.push({ service: `${first} ${endpoint(second)}`, scheduler: third, flags: rest.join(" "), rows: [] });
    }
  }
  for (const service of services) service.rows.sort((a, b) => a.server.localeCompare(b.server));
  return services.sort((a, b) => a.service.localeCompare(b.service));
}

/** `0A000203:1538` to `10.0.2.3:5432`. */
function endpoint(hex: string): string {
  const [address = "", port = ""] = hex.split(":");
  const bytes = address.match(/../g) ?? [];
  return `${bytes.map((byte) => Number.parseInt(byte, 16)).join(".")}:${Number.parseInt(port, 16)}`;
}

export async function readTable(namespace: Namespace): Promise<TableService[]> {
  return parseTable((await namespace.exec("cat", ["/proc/net/ip_vs"])).stdout);
}

/** The rows of one service by server; empty when the table has no such service. */
export function rowsOf(table: readonly TableService[], service: string): Map<string, TableRow> {
  const found = table.find((candidate) => candidate.service === service);
  return new Map(found?.rows.map((row) => [row.server, row]));
}

/** The servers that get new connections. */
export function weighted(table: readonly TableService[], service: string): string[] {
  return [...rowsOf(table, service).values()].filter((row) => row.weight > 0).map((row) => row.server);
}
