import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ip } from "../../src/core/ip.ts";
import { loadAddon } from "../../src/io/addon.ts";
import { operationMessage } from "../../src/io/ipvsCodec.ts";
import { openIpvsTable } from "../../src/io/ipvsTable.ts";
import { LINUX } from "../../src/io/linux.ts";
import { NetlinkSocket } from "../../src/io/netlinkSocket.ts";
import { serviceId } from "../../src/plan/keys.ts";
import { reconcile } from "../../src/plan/reconcile.ts";
import { RememberedTable } from "../../src/plan/rememberedTable.ts";
import type { DesiredService, Operation } from "../../src/plan/types.ts";
import { decodeFamily, encodeGetFamily } from "../../src/wire/netlink/genl.ts";
import { encodeIpvs, IPVS_FAMILY_NAME } from "../../src/wire/netlink/ipvs.ts";
import { NLM_F } from "../../src/wire/netlink/message.ts";
import { MessageWriter } from "../../src/wire/netlink/writer.ts";
import { NO_TUNNEL } from "../lab/ipvsDefaults.ts";
import { createNamespace, type Namespace } from "../lab/netns.ts";
import { requires } from "../lab/requires.ts";
import { waitFor } from "../lab/wait.ts";
import { median, printFigures, rounds } from "./report.ts";

const SERVICES = 500;
const SERVERS = 10;
const ROUNDS = rounds(3, 9);

const serviceAddress = (index: number): string => `10.1.${index >> 8}.${index & 0xff}`;
const serverAddress = (index: number): string => `10.2.0.${index + 1}`;

function desired(weight: number): DesiredService[] {
  return Array.from({ length: SERVICES }, (_, index) => ({
    key: { protocol: "TCP", address: ip(serviceAddress(index)), port: 80 },
    scheduler: "wlc",
    persistenceTimeoutSec: 0,
    persistencePrefix: 32,
    onePacket: false,
    schedulerFlags: 0,
    persistenceEngine: "",
    exclusive: false,
    destinations: Array.from({ length: SERVERS }, (_unused, server) => ({
      address: ip(serverAddress(server)),
      port: 80,
      weight,
      forwarding: "route",
      upperThreshold: 0,
      lowerThreshold: 0,
      ...NO_TUNNEL,
    })),
  }));
}

/** keepalived.conf for the same table, its servers without checks so that only the programming is timed. */
function keepalivedConf(weight: number): string {
  const servers = Array.from(
    { length: SERVERS },
    (_, server) => `  real_server ${serverAddress(server)} 80 {\n    weight ${weight}\n  }\n`,
  ).join("");
  const head = "  lvs_method DR\n  lb_algo wlc\n  protocol TCP\n";
  return Array.from(
    { length: SERVICES },
    (_, i) => `virtual_server ${serviceAddress(i)} 80 {\n${head}${servers}}\n`,
  ).join("");
}

/** The kernel's own limit: the same messages, encoded beforehand, nothing but sendmsg and the acknowledgements. */
class KernelLimit {
  readonly #socket = new NetlinkSocket({ protocol: LINUX.NETLINK_GENERIC }, { addon: loadAddon() });
  readonly #familyId: number;

  constructor() {
    const [answer] = this.#socket.request((writer) => encodeGetFamily(writer, IPVS_FAMILY_NAME));
    const family = answer === undefined ? undefined : decodeFamily(answer);
    if (family?.ok !== true) throw new Error("no IPVS family");
    this.#familyId = family.value.id;
  }

  /** Milliseconds. */
  time(operations: readonly Operation[]): number {
    const prepared = new MessageWriter();
    for (const operation of operations)
      encodeIpvs(prepared, this.#familyId, NLM_F.request, operationMessage(operation));
    const bodies = prepared.spans.map((span) => prepared.bytes.subarray(span.offset + 16, span.offset + span.length));
    let begunMs = 0;
    const { complete } = this.#socket.applyBatch((writer) => {
      for (const body of bodies) {
        writer.begin(this.#familyId, NLM_F.request);
        writer.raw(body);
        writer.end();
      }
      begunMs = performance.now();
    }, 256);
    if (!complete) throw new Error("the kernel lost an answer");
    return performance.now() - begunMs;
  }

  close(): void {
    this.#socket.close();
  }
}

function operationsOf(services: readonly DesiredService[], kind: "add" | "change" | "remove"): Operation[] {
  return services.flatMap((service): Operation[] => {
    const rows = service.destinations.map(
      (destination): Operation => ({
        kind: kind === "add" ? "addDestination" : "editDestination",
        service: service.key,
        destination,
        attributes: destination,
      }),
    );
    if (kind === "add") return [{ kind: "addService", service: service.key, attributes: service }, ...rows];
    return kind === "change" ? rows : [{ kind: "deleteService", service: service.key }];
  });
}

function timed(work: () => void): number {
  const begunMs = performance.now();
  work();
  return performance.now() - begunMs;
}

/** What `reconcile` needs for the same, from the desired table to the kernel's answers. */
function holdfastTimes(): { readonly add: number; readonly change: number; readonly remove: number } {
  const raw = openIpvsTable();
  const table = new RememberedTable(raw);
  const owned = new Set(desired(1).map(({ key }) => serviceId(key)));
  const run = (services: readonly DesiredService[]): void => {
    const report = reconcile(table, services, owned);
    expect(report.inSync).toBe(true);
  };
  const [first, second] = [desired(10), desired(20)];
  table.dump();
  const add = timed(() => run(first));
  const change = timed(() => run(second));
  const remove = timed(() => run([]));
  raw.close();
  return { add, change, remove };
}

/** The table of a namespace in a few words, read without ipvsadm's formatting. */
async function rowsWithWeight(namespace: Namespace, weight: number): Promise<number> {
  const { stdout } = await namespace.exec("cat", ["/proc/net/ip_vs"]);
  return stdout.split("\n").filter((line) => line.startsWith("  ->") && line.trim().split(/\s+/)[3] === String(weight))
    .length;
}

async function keepalivedTimes(): Promise<{ readonly add: number; readonly change: number; readonly remove: number }> {
  const namespace = await createNamespace("bench-programming");
  const folder = mkdtempSync(join(tmpdir(), "holdfast-bench-"));
  const file = join(folder, "keepalived.conf");
  const until = async (weight: number, rows: number): Promise<void> => {
    await waitFor(async () => (await rowsWithWeight(namespace, weight)) === rows, {
      what: `${rows} rows of weight ${weight}`,
      timeoutMs: 300_000,
    });
  };
  try {
    writeFileSync(file, keepalivedConf(10));
    const pidFiles = ["-p", "-c", "-r"].flatMap((option) => [option, join(folder, `pid${option}`)]);
    let begunMs = performance.now();
    const keepalived = await namespace.start("keepalived", ["-n", "-l", "-C", "-f", file, ...pidFiles], {
      name: "keepalived",
    });
    await until(10, SERVICES * SERVERS);
    const add = performance.now() - begunMs;
    writeFileSync(file, keepalivedConf(20));
    begunMs = performance.now();
    process.kill(keepalived.pid, "SIGHUP");
    await until(20, SERVICES * SERVERS);
    const change = performance.now() - begunMs;
    begunMs = performance.now();
    await keepalived.stop(120_000);
    return { add, change, remove: performance.now() - begunMs };
  } finally {
    namespace.remove();
    rmSync(folder, { recursive: true, force: true });
  }
}

requires("ipvs", "keepalived")("programming the kernel", () => {
  test(`${SERVICES} services x ${SERVERS} servers: add, change every weight, remove (${ROUNDS} rounds)`, async () => {
    const limit = new KernelLimit();
    const kernel = { add: [] as number[], change: [] as number[], remove: [] as number[] };
    const ours = { add: [] as number[], change: [] as number[], remove: [] as number[] };
    for (let round = 0; round < ROUNDS; round++) {
      for (const kind of ["add", "change", "remove"] as const)
        kernel[kind].push(limit.time(operationsOf(desired(7), kind)));
      const times = holdfastTimes();
      for (const kind of ["add", "change", "remove"] as const) ours[kind].push(times[kind]);
    }
    limit.close();
    const theirs = await keepalivedTimes();
    printFigures(
      `programming ${SERVICES} x ${SERVERS}, medians of ${ROUNDS} rounds; keepalived once, with its start and reload`,
      (["add", "change", "remove"] as const).flatMap((kind) => [
        { what: `${kind}: kernel's own limit`, value: median(kernel[kind]), unit: "ms" },
        { what: `${kind}: holdfast`, value: median(ours[kind]), unit: "ms" },
        {
          what: `${kind}: holdfast / kernel`,
          value: median(ours[kind]) / median(kernel[kind]),
          unit: "times",
          ...(kind === "remove" ? {} : { goalAtMost: 3 }),
        },
        { what: `${kind}: keepalived / kernel`, value: theirs[kind] / median(kernel[kind]), unit: "times" },
      ]),
    );
  }, 1_200_000);
});
