/**
 * A host with nothing but holdfast's VRRP half: `node vrrpHost.js INSTANCES.json [--realtime N]` starts the worker on the
 * instances (VrrpInstanceConfig[]), begins the election, prints one JSON object a line for everything that happens, and
 * obeys JSON commands on its standard input. SIGTERM releases everything.
 */
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import type { VrrpInstanceConfig } from "../../../src/config/vrrp.types.ts";
import type { Logger } from "../../../src/core/interfaces.ts";
import { VrrpWorkerHandle } from "../../../src/workers/vrrp/handle.ts";
import { vrrpConfig } from "../../lab/vrrpConfig.ts";

/** What the program is told. */
export type HostCommand =
  | { readonly command: "status" }
  | { readonly command: "record" }
  | { readonly command: "configure"; readonly instances: readonly VrrpInstanceConfig[] }
  /** Gives the worker a configuration larger than its heap. */
  | { readonly command: "exhaust" };

/** Wall clock with microseconds, as `ip monitor` and tshark have it. */
const print = (event: string, fields: object = {}): void => {
  process.stdout.write(`${JSON.stringify({ event, atMs: performance.timeOrigin + performance.now(), ...fields })}\n`);
};

const logger: Logger = {
  error: (fields, message) => print("log", { level: "error", message, fields }),
  warn: (fields, message) => print("log", { level: "warn", message, fields }),
  info: (fields, message) => print("log", { level: "info", message, fields }),
  debug: (fields, message) => print("log", { level: "debug", message, fields }),
  child: () => logger,
};

/** More VIPs than fit the worker's heap; none of them is ever programmed. */
function tooManyFor(instance: VrrpInstanceConfig): VrrpInstanceConfig[] {
  return Array.from({ length: 400_000 }, (_, index) => ({ ...instance, name: `${instance.name}${index}` }));
}

async function main(): Promise<void> {
  const { positionals, values } = parseArgs({ allowPositionals: true, options: { realtime: { type: "string" } } });
  const [file = ""] = positionals;
  const instances = JSON.parse(readFileSync(file, "utf8")) as VrrpInstanceConfig[];
  const handle = new VrrpWorkerHandle(
    {
      realtimePriority: values.realtime === undefined ? undefined : Number(values.realtime),
      guardDirectory: undefined,
    },
    {
      logger,
      listener: {
        onTransition: (instance, transition) => print("transition", { instance, ...transition }),
        onGroupTransition: (group, change) => print("groupTransition", { group, ...change }),
        onLowerPriority: (instance, heard) => print("lowerPriorityHeard", { instance, ...heard }),
        onPriorityChanged: (instance, changed) => print("priorityChanged", { instance, ...changed }),
        onDeleted: (instance) => print("deleted", { instance }),
        onAlarm: (instance, alarm) => print("alarm", { instance, alarm }),
        onRestart: (cause) => print("restarted", { cause }),
        onGuardRestart: (cause) => print("guardRestarted", { cause }),
      },
    },
  );
  const obey = async (command: HostCommand): Promise<void> => {
    switch (command.command) {
      case "status":
        return print("status", { status: await handle.status() });
      case "record":
        return print("recording", { recording: await handle.record() });
      case "configure":
        await handle.configure(vrrpConfig(command.instances));
        return print("configured");
      case "exhaust": {
        const [first] = instances;
        if (first !== undefined) await handle.configure(vrrpConfig(tooManyFor(first)));
        return print("configured");
      }
    }
  };
  process.on("SIGTERM", () => {
    void handle.stop().then(() => {
      print("stopped");
      process.exit(0);
    });
  });
  await handle.start(vrrpConfig(instances));
  print("started");
  handle.releaseElection();
  createInterface({ input: process.stdin }).on("line", (line) => {
    obey(JSON.parse(line) as HostCommand).catch((error: unknown) => print("refused", { error: String(error) }));
  });
}

main().catch((error: unknown) => {
  const { code, message, remedy } = error as { code?: string; message: string; remedy?: string };
  print("failed", { code, message, remedy });
  process.exit(1);
});
