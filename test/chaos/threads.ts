import { join } from "node:path";
import type { NetworkHost } from "../lab/netns.ts";
import { pinThread, roundRobinThreads, twoProcessors } from "../lab/processors.ts";
import { projectRoot } from "../lab/root.ts";

const PROGRAM = join(projectRoot, "dist-test/test/chaos/programs/evaluate.js");
export const PORT = 9229;

/** For a daemon whose threads are to be told what to do. Each host has a loopback of its own. */
export const INSPECTED = { nodeFlags: [`--inspect=127.0.0.1:${PORT}`] } as const;

/** Lets a thread of the host's daemon call a function, written as JavaScript; returns before it does. */
export async function callInThread(host: NetworkHost, thread: "main" | "worker", source: string): Promise<void> {
  await host.exec(process.execPath, [PROGRAM, String(PORT), thread, source]);
}

/**
 * Lets the VRRP thread of the host's daemon spin, on the last processor: with real-time priority it leaves nothing of it to
 * others, and a test that runs beside this one needs the first (load.test.ts).
 */
export async function spinVrrpThread(host: NetworkHost, daemonId: number): Promise<void> {
  for (const { threadId } of roundRobinThreads(daemonId)) await pinThread(threadId, twoProcessors().last);
  await callInThread(host, "worker", "() => { for (;;); }");
}

/** INSPECTED for a unit of systemd: a line of its section [Service]. */
export const INSPECTED_UNIT = `Environment=NODE_OPTIONS=${INSPECTED.nodeFlags.join(" ")}`;

/** JavaScript that takes memory until there is none. */
export const DEVOUR = "() => { const kept = []; for (;;) kept.push(Buffer.alloc(1 << 20, 1)); }";
