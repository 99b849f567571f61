import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { projectRoot } from "../../lab/root.ts";

const ADDON_FILE = join(projectRoot, "build/Release/holdfast.node");

/**
 * Starts a worker that has the addon as `addon`, a bound netlink socket that receives as `socket`, a raw unix pair's end,
 * an armed timer and a socket that was never closed nor started, and then runs `code`.
 */
export function addonWorker(code: string, options: { readonly heapMb?: number } = {}): Worker {
  const source = `
    const { parentPort } = require("node:worker_threads");
    const addon = require(${JSON.stringify(ADDON_FILE)});
    const socket = addon.openSocket(addon.constants.AF_NETLINK, addon.constants.SOCK_RAW, addon.constants.NETLINK_ROUTE);
    const bindTo = Buffer.alloc(12);
    bindTo.writeUInt16LE(addon.constants.AF_NETLINK);
    socket.bind(bindTo);
    let received = 0;
    socket.startReceiving(16, 4096, (messages) => { received += messages.length; }, (error) => { throw error; });
    const unused = addon.openSocket(addon.constants.AF_UNIX, addon.constants.SOCK_DGRAM, 0);
    let fired = 0;
    const timer = addon.openTimer(() => { fired++; timer.arm(addon.monotonicUs() + 1_000); });
    timer.arm(0);
    const ask = (() => {
      const request = Buffer.alloc(20);
      request.writeUInt32LE(20, 0);
      request.writeUInt16LE(addon.constants.RTM_GETLINK, 4);
      request.writeUInt16LE(addon.constants.NLM_F_REQUEST | addon.constants.NLM_F_DUMP, 6);
      return () => socket.send(request, 0, 20, undefined);
    })();
    ${code}
  `;
  const limits = options.heapMb === undefined ? {} : { resourceLimits: { maxOldGenerationSizeMb: options.heapMb } };
  return new Worker(source, { eval: true, ...limits });
}

/** How a worker ended: its exit code, and its error's code or message. */
export async function ended(
  worker: Worker,
): Promise<{ readonly exitCode: number; readonly error: string | undefined }> {
  let error: string | undefined;
  worker.on("error", (cause: NodeJS.ErrnoException) => {
    error = cause.code ?? cause.message;
  });
  const exitCode = await new Promise<number>((resolve) => worker.once("exit", resolve));
  return { exitCode, error };
}

/** Resolves with the first message that the worker posts; rejects when it ends without one. */
export async function posted(worker: Worker): Promise<unknown> {
  return await new Promise((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
    worker.once("exit", (code) => reject(new Error(`the worker ended with ${code} before it posted anything`)));
  });
}
