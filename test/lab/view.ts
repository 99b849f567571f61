/** The lab's screens as text: short headings, aligned columns. Pure. */
import type { ServiceStatus } from "../../src/daemon/control.types.ts";
import { postgresAt } from "./articleNetwork.ts";
import type { TableService } from "./ipvsTable.ts";
import type { BalancerView } from "./lab.ts";

/** One thing that a scene measured, beside what was promised. */
export interface Finding {
  readonly what: string;
  readonly measured: string;
  readonly expected: string;
  readonly ok: boolean;
}

/** Rows with columns padded to the widest cell; the last column is left as it is. */
export function table(rows: readonly (readonly string[])[], indent = "  "): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  }
  const line = (row: readonly string[]): string =>
    row.map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0))).join("  ");
  return rows.map((row) => `${indent}${line(row).trimEnd()}\n`).join("");
}

export function heading(text: string): string {
  return `\n${text}\n${"-".repeat(text.length)}\n`;
}

export function findingsText(findings: readonly Finding[]): string {
  const rows = findings.map(({ what, measured, expected, ok }) => [ok ? "ok  " : "FAIL", what, measured, expected]);
  return table([["", "", "measured", "expected"], ...rows]);
}

/** Milliseconds as people read them. */
export function duration(milliseconds: number): string {
  if (Math.abs(milliseconds) < 1000) return `${milliseconds.toFixed(0)} ms`;
  return `${(milliseconds / 1000).toFixed(2)} s`;
}

/** Who holds which virtual address, where connections go, and why. */
export function balancersText(views: readonly BalancerView[], services: readonly NamedService[]): string {
  const head = ["", ...views.map((view) => view.name)];
  const daemon = ["daemon", ...views.map(daemonText)];
  const addresses = services.map(({ address, name }) => [
    `${name} ${address}`,
    ...views.map((view) => (view.holds.includes(address) ? "HOLDS it" : "-")),
  ]);
  const vrrp = [...new Set(views.flatMap((view) => view.status?.vrrp.instances.map(({ name }) => name) ?? []))].map(
    (name) => [`VRRP ${name}`, ...views.map((view) => instanceText(view, name))],
  );
  const parts = [table([head, daemon, ...addresses, ...vrrp])];
  for (const service of services) {
    parts.push(`\n  ${service.name} service ${service.service} (kernel's table)\n`, serviceText(views, service));
  }
  return parts.join("");
}

export interface NamedService {
  readonly name: string;
  readonly address: string;
  readonly service: string;
}

function daemonText(view: BalancerView): string {
  const link = view.link === "down" ? ", link DOWN" : "";
  return `${view.status === undefined ? "not running" : `process ${view.status.processId}`}${link}`;
}

function instanceText(view: BalancerView, name: string): string {
  const instance = view.status?.vrrp.instances.find((candidate) => candidate.name === name);
  if (instance === undefined) return "-";
  return `${instance.state} ${instance.priority}`;
}

/** One row a server: weight and connections at each load balancer, and what the first one that runs thinks of it. */
function serviceText(views: readonly BalancerView[], { service }: NamedService): string {
  const rowsOf = (tables: readonly TableService[]): TableService["rows"] =>
    tables.find((candidate) => candidate.service === service)?.rows ?? [];
  const servers = [...new Set(views.flatMap((view) => rowsOf(view.table).map((row) => row.server)))].sort();
  if (servers.length === 0) return "    (in no kernel)\n";
  const status = views
    .map((view) => view.status?.services.find((candidate) => candidate.service === service))
    .find((found) => found !== undefined);
  const head = ["", "server", ...views.map((view) => `weight, active, inactive at ${view.name}`), "verdict"];
  const rows = servers.map((server) => [
    postgresAt(server) ?? "",
    server,
    ...views.map((view) => {
      const row = rowsOf(view.table).find((candidate) => candidate.server === server);
      return row === undefined
        ? "-"
        : [row.weight, row.active, row.inactive].map((n) => String(n).padStart(6)).join(" ");
    }),
    verdictText(status, server),
  ]);
  return table([head, ...rows], "    ");
}

function verdictText(status: ServiceStatus | undefined, server: string): string {
  const found = status?.servers.find((candidate) => candidate.server === server);
  if (found === undefined) return "";
  const role = found.role === undefined ? "" : `${found.role}, `;
  return `${found.verdict}: ${role}${found.reason}`;
}
