/**
 * The lab: `npm start [-- --real] [--story]`. The article's installation in namespaces with two holdfast daemons; plays
 * the story, and on a terminal stays for the keys. Where the kernel has no IPVS all of it runs in the guest.
 */
import { parseArgs } from "node:util";
import { kernelHasIpvs, runInGuest } from "../guest/boot.ts";
import { READ_VIP, WRITE_VIP } from "./articleNetwork.ts";
import { runInteractive } from "./interactive.ts";
import { Lab, READ_SERVICE, WRITE_SERVICE } from "./lab.ts";
import { STORY } from "./story.ts";
import { balancersText, findingsText, heading, type NamedService } from "./view.ts";

const USAGE = `npm start [-- --real] [-- --story]
  --real   Debian's patroni, etcd and PostgreSQL instead of the stand-ins
  --story  play the story and end, also on a terminal
`;
const EXIT = { ok: 0, failed: 1, usage: 2 } as const;

export const SERVICES: readonly NamedService[] = [
  { name: "write", address: WRITE_VIP, service: WRITE_SERVICE },
  { name: "read", address: READ_VIP, service: READ_SERVICE },
];

const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

/** Plays every scene; true when everything was as promised. A scene that fails ends the story. */
async function playStory(lab: Lab): Promise<boolean> {
  let good = true;
  for (const scene of STORY) {
    say(`${heading(scene.title)}${scene.text}\n`);
    const findings = await scene.play(lab);
    say(findingsText(findings));
    say(balancersText(await lab.view(), SERVICES));
    good &&= findings.every((finding) => finding.ok);
  }
  return good;
}

async function runLab(options: { readonly real: boolean; readonly interactive: boolean }): Promise<number> {
  say(heading(`holdfast's lab: ${options.real ? "a real Patroni cluster" : "stand-ins for Patroni"}`).trimStart());
  const lab = await Lab.create({ real: options.real, say });
  // Everything is undone when this process exits; a signal only has to make it exit.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(EXIT.failed));
  try {
    const good = await playStory(lab);
    say(heading(good ? "The story went as promised" : "NOT everything went as promised"));
    if (options.interactive) await runInteractive(lab, SERVICES);
    return good ? EXIT.ok : EXIT.failed;
  } finally {
    say("stopping: the daemons release everything, then the namespaces go");
    await lab.stop();
  }
}

async function main(): Promise<number> {
  const args = process.argv.slice(2);
  let values: { real?: boolean; story?: boolean };
  try {
    ({ values } = parseArgs({ args, options: { real: { type: "boolean" }, story: { type: "boolean" } } }));
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n${USAGE}`);
    return EXIT.usage;
  }
  if (process.getuid?.() !== 0) {
    process.stderr.write("the lab makes network namespaces: run it as root\n");
    return EXIT.failed;
  }
  if (!kernelHasIpvs()) {
    if (process.env.HOLDFAST_GUEST === "1") throw new Error("the guest's kernel has no IPVS");
    say("this kernel has no IPVS: going on in a guest, with an emulated processor, where everything takes longer");
    const guest = await runInGuest({
      command: process.execPath,
      args: [import.meta.filename, ...args],
      stdio: "terminal",
    });
    return guest.status;
  }
  const terminal = process.stdin.isTTY && process.stdout.isTTY;
  return await runLab({ real: values.real === true, interactive: terminal && values.story !== true });
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(
    `\nthe lab failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
  process.exitCode = EXIT.failed;
}
