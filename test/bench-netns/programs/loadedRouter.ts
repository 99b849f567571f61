/**
 * A holdfast without the kernel's table: `node loadedRouter.js FILE [PRIORITY]` runs the file's VRRP half in its worker and its
 * health checks on the main thread, both as the daemon does; this kernel may have no IPVS to programme. One JSON line a
 * second says how many checks were answered.
 */
import { readFileSync } from "node:fs";
import { parseConfig } from "../../../src/config/index.ts";
import type { Logger } from "../../../src/core/interfaces.ts";
import { createHealthDriver } from "../../../src/daemon/healthDriver.ts";
import { healthMachine } from "../../../src/health/machine.ts";
import { loadAddon } from "../../../src/io/addon.ts";
import { createCheckers } from "../../../src/io/checkers/index.ts";
import { loopTimers, monotonicClock } from "../../../src/io/clock.ts";
import { VrrpWorkerHandle } from "../../../src/workers/vrrp/handle.ts";
import { noScripts } from "../../unit/checkersRig.ts";

export interface LoadLine {
  readonly answered: number;
  readonly succeeded: number;
}

const ignored = (): void => undefined;
const say = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
const logger: Logger = {
  error: (fields, message) => say({ level: "error", message, fields }),
  warn: (fields, message) => say({ level: "warn", message, fields }),
  info: ignored,
  debug: ignored,
  child: () => logger,
};

async function main(): Promise<void> {
  const [file = "", priority] = process.argv.slice(2);
  const { config, diagnostics } = parseConfig(readFileSync(file, "utf8"), file);
  if (config === undefined) throw new Error(JSON.stringify(diagnostics));
  const vrrp = new VrrpWorkerHandle(
    { realtimePriority: priority === undefined ? undefined : Number(priority), guardDirectory: undefined },
    {
      logger,
      listener: listenerOf({
        onTransition: (instance, { to }) => say({ instance, to }),
        onAlarm: (_, alarm) => say({ alarm }),
      }),
    },
  );
  await vrrp.start(config.vrrp);
  const checkers = createCheckers({ addon: loadAddon, scripts: noScripts });
  let answered = 0;
  let succeeded = 0;
  const probes = {
    run: (...[spec, done]: Parameters<typeof checkers.run>) =>
      checkers.run(spec, (outcome) => {
        answered += 1;
        if (outcome.kind === "answered") succeeded += 1;
        done(outcome);
      }),
    close: () => checkers.close(),
  };
  const health = createHealthDriver(
    { seed: 1 },
    {
      machine: healthMachine,
      probes,
      clock: monotonicClock,
      timers: loopTimers,
      listener: {
        onStep: (_, perform) => perform(),
        onTableChanged: () => void health.desired(),
        onFirstVerdicts: ignored,
        rows: () => undefined,
      },
    },
  );
  health.configure(config.virtualServers, new Map());
  vrrp.releaseElection();
  setInterval(() => {
    say({ answered, succeeded } satisfies LoadLine);
    answered = 0;
    succeeded = 0;
  }, 1000);
  process.on("SIGTERM", () => void vrrp.stop().then(() => process.exit(0)));
}

type Listener = ConstructorParameters<typeof VrrpWorkerHandle>[1]["listener"];

/** Everything else that the worker says is ignored here. */
function listenerOf(heard: Partial<Listener>): Listener {
  return new Proxy(heard, { get: (target, name) => Reflect.get(target, name) ?? ignored }) as Listener;
}

main().catch((error: unknown) => {
  say({ failed: String(error) });
  process.exit(1);
});
