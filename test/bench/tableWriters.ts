/** Who writes a table of many services, and how long each step takes, in milliseconds. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { loadAddon } from "../../src/io/addon.ts";
import type { ReceivedMessage } from "../../src/io/addon.types.ts";
import { operationMessage } from "../../src/io/ipvsCodec.ts";
import { OPERATIONS_PER_SEND, openIpvsTable } from "../../src/io/ipvsTable.ts";
import { LINUX } from "../../src/io/linux.ts";
import {
  DATAGRAM_BYTES_MAX,
  DATAGRAMS_PER_RECEIVE,
  openNetlink,
  RECEIVE_BUFFER_BYTES_DEFAULT,
} from "../../src/io/netlinkOpen.ts";
import { NetlinkSocket } from "../../src/io/netlinkSocket.ts";
import { intOption } from "../../src/io/sockaddr.ts";
import { setSendBuffer } from "../../src/io/socketSetup.ts";
import { serviceId } from "../../src/plan/keys.ts";
import { reconcile } from "../../src/plan/reconcile.ts";
import { RememberedTable } from "../../src/plan/rememberedTable.ts";
import type { DesiredService, Operation } from "../../src/plan/types.ts";
import { decodeFamily, encodeGetFamily } from "../../src/wire/netlink/genl.ts";
import { encodeIpvs, IPVS_FAMILY_NAME } from "../../src/wire/netlink/ipvs.ts";
import { NLM_F } from "../../src/wire/netlink/message.ts";
import { MessageWriter } from "../../src/wire/netlink/writer.ts";
import { Holdfast } from "../lab/holdfast.ts";
import { keepalivedArguments } from "../lab/keepalived.ts";
import { createNamespace, type Namespace } from "../lab/netns.ts";
import { waitFor } from "../lab/wait.ts";
import {
  desiredTable,
  fewestOperations,
  ipvsadmCommands,
  type Size,
  STEPS,
  type Step,
  tableConfiguration,
  WEIGHTS,
  type Weights,
} from "./tables.ts";

export type Times = Readonly<Record<Step, number>>;

function timed(work: () => void): number {
  const begunMs = performance.now();
  work();
  return performance.now() - begunMs;
}

async function timedUntil(work: () => Promise<unknown>): Promise<number> {
  const begunMs = performance.now();
  await work();
  return performance.now() - begunMs;
}

/** The kernel's own limit: the same messages, encoded beforehand, nothing but sendmsg and the acknowledgements. */
export class KernelLimit {
  readonly #socket = openNetlink(LINUX.NETLINK_GENERIC, RECEIVE_BUFFER_BYTES_DEFAULT, loadAddon(), (socket) => {
    socket.setOption(LINUX.SOL_NETLINK, LINUX.NETLINK_CAP_ACK, intOption(1));
    setSendBuffer(socket, 1 << 20);
  });
  readonly #familyId = ipvsFamily();

  /** Writes the table and removes it again. */
  times(size: Size): Times {
    const times = STEPS.map((step) => [step, this.#time(fewestOperations(size, step))] as const);
    return Object.fromEntries(times) as Times;
  }

  #time(operations: readonly Operation[]): number {
    const parts: Uint8Array[] = [];
    for (let from = 0; from < operations.length; from += OPERATIONS_PER_SEND) {
      const writer = new MessageWriter();
      for (const operation of operations.slice(from, from + OPERATIONS_PER_SEND))
        encodeIpvs(writer, this.#familyId, NLM_F.request, operationMessage(operation));
      writer.addFlags(writer.span(writer.count - 1), NLM_F.ack);
      parts.push(writer.bytes);
    }
    let answers: ReceivedMessage[] = [];
    const tookMs = timed(() => {
      for (const part of parts) {
        this.#socket.send(part, 0, part.length, undefined);
        if (!this.#socket.waitReadable(5_000)) throw new Error("the kernel does not answer");
        answers = answers.concat(this.#socket.receive(DATAGRAMS_PER_RECEIVE, DATAGRAM_BYTES_MAX));
      }
    });
    const errnos = answers.map(({ data }) => data.readInt32LE(16));
    if (errnos.length !== parts.length || errnos.some((errno) => errno !== 0))
      throw new Error("the kernel refused something, or an answer was lost");
    return tookMs;
  }

  close(): void {
    this.#socket.close();
  }
}

function ipvsFamily(): number {
  const socket = new NetlinkSocket({ protocol: LINUX.NETLINK_GENERIC }, { addon: loadAddon() });
  try {
    const [answer] = socket.request((writer) => encodeGetFamily(writer, IPVS_FAMILY_NAME));
    const family = answer === undefined ? undefined : decodeFamily(answer);
    if (family?.ok !== true) throw new Error("no IPVS family");
    return family.value.id;
  } finally {
    socket.close();
  }
}

/**
 * What `reconcile` needs for the same, from the desired table to the kernel's answers. One weight is changed as a check changes it: all
 * other services are the same objects. `looks`: the kernel's table is read after each step.
 */
export function reconcileTimes(size: Size, looks: boolean): Times {
  const raw = openIpvsTable();
  const table = new RememberedTable(raw);
  const owned = new Set(desiredTable(size, WEIGHTS.add).map(({ key }) => serviceId(key)));
  const run = (services: readonly DesiredService[]): number => {
    const tookMs = timed(() => {
      if (!reconcile(table, services, owned).inSync) throw new Error("the table is not as it should be");
    });
    if (looks) expect(weightsOf(raw.dump())).toEqual(weightsOf(services));
    return tookMs;
  };
  try {
    const at = (step: Exclude<Step, "remove">): DesiredService[] => desiredTable(size, WEIGHTS[step]);
    const [add, changeAll, odd] = [at("add"), at("changeAll"), at("changeOne")];
    const changeOne = changeAll.map((service, index) =>
      index === size.services >> 1 ? (odd[index] ?? service) : service,
    );
    table.dump();
    return { add: run(add), changeAll: run(changeAll), changeOne: run(changeOne), remove: run([]) };
  } finally {
    raw.close();
  }
}

/** How many services there are, and how many rows of each weight. */
function weightsOf(services: readonly { readonly destinations: readonly { readonly weight: number }[] }[]): object {
  const rows: Record<number, number> = {};
  for (const { destinations } of services)
    for (const { weight } of destinations) rows[weight] = (rows[weight] ?? 0) + 1;
  return { services: services.length, rows };
}

/** `ipvsadm -R`, and `ipvsadm -C` for the end, in a namespace of its own. */
export async function ipvsadmTimes(size: Size): Promise<Times> {
  const namespace = await createNamespace("bench-ipvsadm");
  const run = (step: Exclude<Step, "remove">): Promise<number> => {
    const input = ipvsadmCommands(size, step);
    return timedUntil(() => namespace.exec("ipvsadm", ["-R"], { input }));
  };
  try {
    return {
      add: await run("add"),
      changeAll: await run("changeAll"),
      changeOne: await run("changeOne"),
      remove: await timedUntil(() => namespace.exec("ipvsadm", ["-C"])),
    };
  } finally {
    namespace.remove();
  }
}

/** A whole daemon on one keepalived.conf: its start, two reloads, its stop, until the table shows it. */
export interface TableDaemon {
  reload(): void;
  output(): string;
  stop(): Promise<unknown>;
}

export async function daemonTimes(
  size: Size,
  start: (namespace: Namespace, file: string, folder: string) => Promise<TableDaemon>,
): Promise<Times> {
  const namespace = await createNamespace("bench-daemon");
  const folder = mkdtempSync(join(tmpdir(), "holdfast-bench-"));
  const file = join(folder, "table.conf");
  const write = (weights: Weights): void => writeFileSync(file, tableConfiguration(size, weights));
  let daemon: TableDaemon | undefined;
  const shows = async (weight: number, rows: number): Promise<void> => {
    await waitFor(async () => (await rowsWithWeight(namespace, weight)) === rows, {
      what: `${rows} rows of weight ${weight}`,
      timeoutMs: 300_000,
      intervalMs: 200,
      found: () => daemon?.output(),
    });
  };
  const rows = size.services * size.servers;
  const reloaded = (weights: Weights, weight: number, count: number): Promise<number> => {
    write(weights);
    return timedUntil(async () => {
      daemon?.reload();
      await shows(weight, count);
    });
  };
  try {
    write(WEIGHTS.add);
    const add = await timedUntil(async () => {
      daemon = await start(namespace, file, folder);
      await shows(WEIGHTS.add.all, rows);
    });
    const changeAll = await reloaded(WEIGHTS.changeAll, WEIGHTS.changeAll.all, rows);
    const changeOne = await reloaded(WEIGHTS.changeOne, WEIGHTS.changeOne.one, 1);
    const remove = await timedUntil(async () => await daemon?.stop());
    return { add, changeAll, changeOne, remove };
  } finally {
    namespace.remove();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The table of a namespace in a few words, read without ipvsadm's formatting. */
async function rowsWithWeight(namespace: Namespace, weight: number): Promise<number> {
  const { stdout } = await namespace.exec("cat", ["/proc/net/ip_vs"]);
  return stdout.split("\n").filter((line) => line.startsWith("  ->") && line.trim().split(/\s+/)[3] === String(weight))
    .length;
}

export async function startKeepalived(namespace: Namespace, file: string, folder: string): Promise<TableDaemon> {
  const args = ["--check", ...keepalivedArguments(file, folder)];
  const keepalived = await namespace.start("keepalived", args, { name: "keepalived" });
  return {
    output: () => keepalived.output,
    reload: () => keepalived.signal("SIGHUP"),
    stop: () => keepalived.stop(300_000),
  };
}

export async function startHoldfast(namespace: Namespace, file: string): Promise<TableDaemon> {
  const daemon = await Holdfast.start(namespace, file);
  const stop = async (): Promise<void> => {
    await daemon.process.stop(300_000);
    await daemon.stop();
  };
  return { output: () => daemon.process.output, reload: () => daemon.process.signal("SIGHUP"), stop };
}
