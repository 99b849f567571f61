import type { Counter, Gauge, MetricObjectWithValues, MetricType, MetricValueWithName } from "prom-client";

/** A metric and its values at one moment. */
export type MeasuredMetric = { readonly name: string; readonly help: string } & (
  | {
      readonly type: "gauge" | "counter";
      readonly labels: readonly string[];
      readonly samples: readonly { readonly labels: Readonly<Record<string, string>>; readonly value: number }[];
    }
  | {
      readonly type: "histogram";
      /** Upper bounds, rising, the last one Infinity, and for each how many values are in it and in none before. */
      readonly bounds: readonly number[];
      readonly counts: readonly number[];
      readonly sum: number;
    }
);

export const METRICS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** prom-client declares numbers for its types and uses their words. */
const HISTOGRAM = "histogram" as unknown as MetricType;

/** Prometheus' text format (exposition format 0.0.4). The library is loaded with the first call. */
export async function renderMetrics(metrics: readonly MeasuredMetric[]): Promise<string> {
  const client = (await import("prom-client")).default;
  const registry = new client.Registry();
  for (const metric of metrics) {
    const { name, help } = metric;
    if (metric.type === "histogram") {
      const values = bucketValues(metric);
      // prom-client's own histogram observes values one by one; ours are counted where they arise.
      class CountedHistogram extends client.Gauge {
        override get(): Promise<MetricObjectWithValues<MetricValueWithName<string>>> {
          return Promise.resolve({
            name,
            help,
            type: HISTOGRAM,
            aggregator: "sum",
            values,
            collect: () => undefined,
          });
        }
      }
      registry.registerMetric(new CountedHistogram({ name, help, registers: [] }));
      continue;
    }
    const options = { name, help, labelNames: [...metric.labels], registers: [registry] };
    const target = metric.type === "gauge" ? new client.Gauge(options) : new client.Counter(options);
    // Without labels prom-client begins with a 0 that nobody has measured.
    if (metric.labels.length === 0) target.remove({});
    for (const { labels, value } of metric.samples) put(target, labels, value);
  }
  return await registry.metrics();
}

function put(target: Gauge | Counter, labels: Readonly<Record<string, string>>, value: number): void {
  if ("set" in target) target.set({ ...labels }, value);
  else target.inc({ ...labels }, value);
}

function bucketValues(metric: Extract<MeasuredMetric, { type: "histogram" }>): MetricValueWithName<string>[] {
  const { name, bounds, counts, sum } = metric;
  let total = 0;
  const buckets = bounds.map((bound, index) => {
    total += counts[index] ?? 0;
    const le = bound === Number.POSITIVE_INFINITY ? "+Inf" : String(bound);
    return { metricName: `${name}_bucket`, labels: { le }, value: total };
  });
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels: {}, value: sum },
    { metricName: `${name}_count`, labels: {}, value: total },
  ];
}
