import { HOST_METRICS } from "./hostMetrics.ts";
import { SERVICE_METRICS } from "./serviceMetrics.ts";
import type { Metric } from "./types.ts";
import { VRRP_METRICS } from "./vrrpMetrics.ts";

export type { Buckets, Metric, Sample } from "./types.ts";

/** Every metric; docs/metrics.md is written from it. */
export const METRICS: readonly Metric[] = [...HOST_METRICS, ...VRRP_METRICS, ...SERVICE_METRICS];

const INTRODUCTION = `# Metrics

Written from the tables in \`src/daemon/metrics\`; do not edit. After a change of the tables: \`npx vitest run test/unit/metrics.test.ts -u\`.

\`holdfast metrics\` prints them in Prometheus' text format; \`holdfast run --metrics-listen ADDRESS:PORT\` answers \`GET /metrics\` as well
(no TLS, no password: let it listen on an address of the inside). They are made from the same snapshot as \`holdfast status --json\`. Counters
begin at 0 with the daemon, those of adverts, packets and timers with the VRRP thread. Reasons are those of the log.

| Metric | Type | Labels | What it says |
|---|---|---|---|
`;

/** docs/metrics.md */
export function metricsPage(): string {
  const rows = METRICS.map((metric) => {
    const labels = metric.type === "histogram" ? ["le"] : metric.labels;
    return `| \`${metric.name}\` | ${metric.type} | ${labels.map((label) => `\`${label}\``).join(", ")} | ${metric.help} |\n`;
  });
  return INTRODUCTION + rows.join("");
}
