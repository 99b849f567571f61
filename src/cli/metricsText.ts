import type { DaemonStatus } from "../daemon/control.types.ts";
import { METRICS } from "../daemon/metrics/index.ts";
import { renderMetrics } from "../io/metrics/render.ts";

/** Every metric of a status, in Prometheus' text format. */
export function metricsText(status: DaemonStatus): Promise<string> {
  return renderMetrics(
    METRICS.map((metric) => {
      const { name, help } = metric;
      if (metric.type === "histogram") return { name, help, type: metric.type, ...metric.buckets(status) };
      return { name, help, type: metric.type, labels: metric.labels, samples: metric.samples(status) };
    }),
  );
}
