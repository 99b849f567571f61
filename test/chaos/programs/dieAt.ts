/**
 * `node --import dieAt.js main.js run ...`: a daemon whose handover one of both does not live through. HOLDFAST_DIE_AT is
 * `MESSAGE before|behind predecessor|successor`: when the message of that kind is about to be sent, or has just arrived,
 * that process is killed. Both processes of a handover load it, the successor by the options that it inherits.
 */
import { ChildProcess } from "node:child_process";
import { isMainThread } from "node:worker_threads";

const [kind, when, victim] = (process.env.HOLDFAST_DIE_AT ?? "").split(" ");

interface Channel {
  send?: ((...args: never[]) => boolean) | undefined;
  emit(event: string, ...args: never[]): boolean;
}

/** The channel's end in this process: what is said here and what is heard here. */
function watch(channel: Channel, processIds: { readonly predecessor: number; readonly successor: number }): void {
  const strike = (message: unknown, now: string): void => {
    const said = typeof message === "object" && message !== null && "kind" in message ? message.kind : undefined;
    if (said === kind && now === when) {
      process.kill(victim === "predecessor" ? processIds.predecessor : processIds.successor, "SIGKILL");
    }
  };
  const { send, emit } = channel;
  channel.send = (...args: never[]): boolean => {
    strike(args[0], "before");
    return send?.apply(channel, args) ?? false;
  };
  // No listener of ours: what arrives before the program listens waits for the first one.
  channel.emit = (event: string, ...args: never[]): boolean => {
    if (event === "message") strike(args[0], "behind");
    return emit.call(channel, event, ...args);
  };
}

if (isMainThread && kind !== undefined) {
  if (process.env.HOLDFAST_HANDOVER === "1" && process.send !== undefined) {
    watch(process as unknown as Channel, { predecessor: process.ppid, successor: process.pid });
  }
  // What spawn(3) of node:child_process calls; there is a channel behind it only for a successor.
  const prototype = ChildProcess.prototype as unknown as { spawn(options: object): unknown };
  const { spawn } = prototype;
  prototype.spawn = function (this: ChildProcess, options: object): unknown {
    const result = spawn.call(this, options);
    if (this.send !== undefined)
      watch(this as unknown as Channel, { predecessor: process.pid, successor: this.pid ?? 0 });
    return result;
  };
}
