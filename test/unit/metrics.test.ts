import { expect, test } from "vitest";
import { metricsText } from "../../src/cli/metricsText.ts";
import { METRICS, metricsPage } from "../../src/daemon/metrics/index.ts";
import { renderMetrics } from "../../src/io/metrics/render.ts";
import { serveMetrics } from "../../src/io/metrics/server.ts";
import { FULL_STATUS } from "./statusSample.ts";

test("docs/metrics.md is what the tables say (after a change: run this test with -u)", async () => {
  await expect(metricsPage()).toMatchFileSnapshot("../../docs/metrics.md");
});

test("names are Prometheus' own way: unit last, counters end in _total, no name twice", () => {
  const names = METRICS.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  for (const { name, type } of METRICS) {
    expect(name).toMatch(/^holdfast_[a-z_]+$/);
    expect(name.endsWith("_total"), name).toBe(type === "counter");
  }
});

test("a status with everything in it gives every metric, and each sample has the labels that are documented", async () => {
  const text = await metricsText(FULL_STATUS);
  for (const metric of METRICS) {
    expect(text).toContain(`# TYPE ${metric.name} ${metric.type}\n`);
    const samples = text
      .split("\n")
      .filter((line) => new RegExp(`^${metric.name}(_bucket|_sum|_count)?[ {]`).test(line));
    expect(samples.length, metric.name).toBeGreaterThan(0);
    const labels = metric.type === "histogram" ? [] : metric.labels;
    for (const sample of metric.type === "histogram" ? [] : samples) {
      expect([...sample.matchAll(/(\w+)="/g)].map(([, label]) => label)).toEqual(labels);
    }
  }
});

test("values are those of the status", async () => {
  const lines = (await metricsText(FULL_STATUS)).split("\n");
  expect(lines).toEqual(
    expect.arrayContaining([
      'holdfast_info{version="0.1.0"} 1',
      "holdfast_cpu_seconds_total 1.5",
      'holdfast_events_total{kind="transition"} 3',
      'holdfast_vrrp_state{instance="PGRW",state="MASTER"} 1',
      'holdfast_vrrp_state{instance="PGRW",state="BACKUP"} 0',
      'holdfast_vrrp_transitions_total{instance="PGRW",to="MASTER",reason="masterDown"} 2',
      'holdfast_vrrp_priority{instance="PGRW"} 120',
      'holdfast_vrrp_priority_configured{instance="PGRW"} 150',
      'holdfast_vrrp_alarms{instance="PGRW",kind="netlinkOverrun"} 2',
      'holdfast_vrrp_addresses_held{instance="PGRW"} 1',
      'holdfast_vrrp_objects{instance="PGRW",kind="route"} 2',
      'holdfast_vrrp_objects_present{instance="PGRW",kind="route"} 1',
      'holdfast_vrrp_group_state{group="G",state="FAULT"} 1',
      'holdfast_vrrp_timer_lateness_seconds_bucket{le="0.0001"} 5',
      'holdfast_vrrp_timer_lateness_seconds_bucket{le="+Inf"} 7',
      "holdfast_vrrp_timer_lateness_seconds_sum 0.0017",
      "holdfast_vrrp_timer_lateness_seconds_count 7",
      'holdfast_track_value{kind="script",name="check"} 0',
      'holdfast_track_script_duration_seconds{name="check"} 0.0125',
      'holdfast_notify_fifo_dropped_total{path="/run/f"} 5',
      "holdfast_mails_failed_total 1",
      'holdfast_server_up{service="TCP 10.0.2.10:5432",server="10.0.2.3:5432"} 1',
      'holdfast_server_holds_role{service="TCP 10.0.2.10:5432",server="10.0.2.3:5432"} 1',
    ]),
  );
  // Not known yet is absent, not 0.
  expect(lines.join("\n")).not.toMatch(/holdfast_server_up\{[^}]*10\.0\.2\.4/);
});

test("what a label holds is escaped", async () => {
  const samples = [{ labels: { name: 'a"b\\c\nd' }, value: 1 }];
  const text = await renderMetrics([{ type: "gauge", name: "x", help: "y", labels: ["name"], samples }]);
  expect(text).toBe('# HELP x y\n# TYPE x gauge\nx{name="a\\"b\\\\c\\nd"} 1\n');
});

test("they are served by HTTP at one path; an error is one of that answer alone", async () => {
  let fails = false;
  const server = await serveMetrics("127.0.0.1:0", () =>
    fails ? Promise.reject(new Error("the worker is gone")) : Promise.resolve("x 1\n"),
  );
  try {
    const at = (path: string) => fetch(`http://127.0.0.1:${server.port}${path}`);
    const found = await at("/metrics");
    expect([found.status, found.headers.get("content-type"), await found.text()]).toEqual([
      ...[200, "text/plain; version=0.0.4; charset=utf-8", "x 1\n"],
    ]);
    expect((await at("/")).status).toBe(404);
    expect((await fetch(`http://127.0.0.1:${server.port}/metrics`, { method: "POST" })).status).toBe(405);
    fails = true;
    const failed = await at("/metrics");
    expect([failed.status, await failed.text()]).toEqual([503, "the worker is gone\n"]);
    await expect(serveMetrics(`127.0.0.1:${server.port}`, async () => "")).rejects.toThrow("cannot listen on");
  } finally {
    await server.close();
  }
  const six = await serveMetrics("[::1]:0", async () => "y 2\n");
  expect(await (await fetch(`http://[::1]:${six.port}/metrics`)).text()).toBe("y 2\n");
  await six.close();
});

test.each(["9112", "localhost:9112", "127.0.0.1:65536", "[::1]", ":9112"])(
  "%s is no address to listen on",
  async (address) => {
    await expect(serveMetrics(address, async () => "")).rejects.toThrow("is no address with a port");
  },
);
