/**
 * The guest: a virtual machine with a kernel that has IPVS, over the host's own file system.
 * As a program: `node dist-test/test/guest/boot.js -- COMMAND ARGS...`; the exit status is the command's own.
 */

import { GuestError, runInGuest } from "./boot/runInGuest.ts";

export { kernelHasIpvs } from "./boot/kernelHasIpvs.ts";
export { GuestError, type GuestOptions, type GuestResult, resultsFolder, runInGuest } from "./boot/runInGuest.ts";

async function main(words: readonly string[]): Promise<number> {
  const [command, ...args] = words[0] === "--" ? words.slice(1) : words;
  if (command === undefined) {
    process.stderr.write("usage: node boot.js -- COMMAND [ARGUMENT...]\n");
    return 2;
  }
  try {
    return (await runInGuest({ command, args, stdio: "terminal" })).status;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    // As of timeout(1) and env(1): the command's own status is not known.
    return error instanceof GuestError && error.code === "guestTimedOut" ? 124 : 125;
  }
}

if (process.argv[1] === import.meta.filename) process.exitCode = await main(process.argv.slice(2));
