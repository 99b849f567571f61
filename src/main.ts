#!/usr/bin/env -S node --max-semi-space-size=2 --single-threaded-gc --max-old-space-size=512
import { Command, Option } from "commander";
import { EXIT } from "./cli/exitCodes.ts";
import { errorText, type Output } from "./cli/output.ts";
import { readVersion } from "./io/version.ts";

/** The composition root: options in, a command's exit code out. The only place that ends the process. */

const RUN_DIRECTORY_DEFAULT = "/run/holdfast";

const output: Output = {
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
};

/** What several commands must agree on can be said once for all of them, in the environment: by a unit's drop-in. */
const fileOption = new Option(
  "-f, --file <file>",
  "configuration (default: /etc/holdfast/holdfast.conf, else /etc/keepalived/keepalived.conf)",
).env("HOLDFAST_FILE");
const configIdOption = new Option(
  "-i, --config-id <name>",
  "what @name lines of the configuration mean; default: the first part of the host's name",
).env("HOLDFAST_CONFIG_ID");
const runDirectoryOption = new Option("--run-dir <directory>", "lock, control socket and memory of this instance")
  .default(RUN_DIRECTORY_DEFAULT)
  .env("HOLDFAST_RUN_DIR");

const serverArgument = "ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT of real servers";
const serviceOption = new Option("--service <service>", "of this virtual server alone, for example 10.0.2.10:5432");
const spanOption = new Option("--for <span>", "ends by itself after 90, 90s, 10m, 2h or 1d; default: when taken back");
const keepOption = new Option("--keep", "over a restart of the daemon as well").default(false);

async function override(
  server: string,
  weight: string,
  options: { readonly runDir: string; readonly service?: string; readonly for?: string; readonly keep: boolean },
): Promise<number> {
  const { runOverride } = await import("./cli/operator.ts");
  const { runDir: runDirectory, service, for: span, keep } = options;
  const narrowed = { ...(service === undefined ? {} : { service }), ...(span === undefined ? {} : { span }) };
  return await runOverride({ runDirectory, server, keep, ...narrowed }, weight, output);
}

function buildProgram(finish: (code: number) => void): Command {
  const program = new Command("holdfast")
    .description("Keeps virtual IP addresses (VRRP) and IPVS services where they belong.")
    .version(readVersion())
    .exitOverride((error) => {
      finish(error.exitCode === 0 ? EXIT.ok : EXIT.usage);
      throw error; // commander ends the process by itself when this returns.
    });

  // Each command loads its own code: `status` should not pay for the daemon's libraries, nor the VRRP worker wait for them.
  program
    .command("run")
    .description("run in the foreground until SIGTERM or SIGINT; SIGHUP reloads")
    .addOption(fileOption)
    .addOption(configIdOption)
    .addOption(runDirectoryOption)
    .addOption(
      new Option("--log-format <format>", "json for programs, pretty for people")
        .choices(["json", "pretty"])
        .default("json"),
    )
    .addOption(
      new Option("--log-level <level>", "least level shown")
        .choices(["error", "warn", "info", "debug"])
        .default("info"),
    )
    .addOption(
      new Option("--realtime-priority <priority>", "SCHED_RR priority of the VRRP thread, 0 = none")
        .argParser(Number)
        .default(50),
    )
    .option("--metrics-listen <address:port>", "answer GET /metrics of Prometheus there; default: nowhere")
    .action(async (options) => finish(await (await import("./cli/run.ts")).runDaemon(options, output)));

  program
    .command("check")
    .description("check a configuration without touching the host; exit status 0 valid, 1 invalid")
    .addOption(fileOption)
    .addOption(configIdOption)
    .option("--json", "print the findings as JSON", false)
    .action(async (options) => finish(await check(options)));

  program
    .command("status")
    .description("states, addresses, services, weights, roles, and why")
    .addOption(runDirectoryOption)
    .option("--json", "print the whole status as JSON", false)
    .action(async (options) =>
      finish(
        await (await import("./cli/status.ts")).runStatus({ runDirectory: options.runDir, json: options.json }, output),
      ),
    );

  program
    .command("drain")
    .description("give a server no new connections: one address everywhere, or by --service of one service")
    .argument("<server>", serverArgument)
    .addOption(serviceOption)
    .addOption(spanOption)
    .addOption(keepOption)
    .addOption(runDirectoryOption)
    .action(async (server, options) => finish(await override(server, "0", options)));

  program
    .command("weight")
    .description("give a server another weight than the configuration's; never one that its checks deny")
    .argument("<weight>", "0 to 65535; 0 = drain")
    .argument("<server>", serverArgument)
    .addOption(serviceOption)
    .addOption(spanOption)
    .addOption(keepOption)
    .addOption(runDirectoryOption)
    .action(async (weight, server, options) => finish(await override(server, weight, options)));

  program
    .command("enable")
    .description("take back what `drain` or `weight` have said: the configured weight counts again")
    .argument("<server>", serverArgument)
    .addOption(serviceOption)
    .addOption(runDirectoryOption)
    .action(async (server, options) =>
      finish(
        await (await import("./cli/operator.ts")).runEnable(
          { runDirectory: options.runDir, server, service: options.service },
          output,
        ),
      ),
    );

  program
    .command("kick")
    .description(
      "let every check ask now, or those of some services: a hint that roles have changed, which the answers confirm or not",
    )
    .argument("[services...]", "virtual servers, for example 10.0.2.10:5432; default: all")
    .addOption(runDirectoryOption)
    .action(async (services, options) =>
      finish(await (await import("./cli/operator.ts")).runKick({ runDirectory: options.runDir, services }, output)),
    );

  program
    .command("forget")
    .description(
      "let the next list of members decide whose cluster a service with patroni_cluster follows: for one that was initialized anew",
    )
    .argument("<services...>", "virtual servers, for example 10.0.2.10:5432")
    .addOption(runDirectoryOption)
    .action(async (services, options) =>
      finish(await (await import("./cli/operator.ts")).runForget({ runDirectory: options.runDir, services }, output)),
    );

  program
    .command("pause-repair")
    .description("leave the kernel's table to an administrator for so long: no repair, no programming; 0 ends it")
    .argument("<seconds>", "0 to 86400")
    .addOption(runDirectoryOption)
    .action(async (seconds, options) =>
      finish(
        await (await import("./cli/operator.ts")).runPauseRepair({ runDirectory: options.runDir, seconds }, output),
      ),
    );

  program
    .command("reload")
    .description("read the configuration again, as SIGHUP does, and tell whether it was taken")
    .addOption(runDirectoryOption)
    .action(async (options) =>
      finish(await (await import("./cli/status.ts")).runReload({ runDirectory: options.runDir }, output)),
    );

  program
    .command("handover")
    .description("let a new process of the program go on in the daemon's place, unseen by peers and clients")
    .addOption(runDirectoryOption)
    .option("--program <file>", "an executable holdfast; default: the same command as the running one")
    .action(async (options) =>
      finish(
        await (await import("./cli/status.ts")).runHandover(
          { runDirectory: options.runDir, program: options.program },
          output,
        ),
      ),
    );

  program
    .command("metrics")
    .description("all metrics in Prometheus' text format")
    .addOption(runDirectoryOption)
    .action(async (options) =>
      finish(await (await import("./cli/status.ts")).runMetrics({ runDirectory: options.runDir }, output)),
    );

  program
    .command("record")
    .description("write the last inputs of the VRRP machines (the flight recorder), as JSON")
    .addOption(runDirectoryOption)
    .action(async (options) =>
      finish(await (await import("./cli/status.ts")).runRecord({ runDirectory: options.runDir }, output)),
    );

  program
    .command("replay")
    .description("run a recording through the same machines: every transition with its reason")
    .argument("<file>", "what `holdfast record` wrote; - is standard input")
    .option("--inputs", "print every input as well", false)
    .action(async (file, options) =>
      finish((await import("./cli/replay.ts")).runReplay({ file, inputs: options.inputs }, output)),
    );

  program
    .command("cleanup")
    .description("remove addresses, devices and settings that a dead daemon has left; never beside a living one")
    .addOption(fileOption)
    .addOption(configIdOption)
    .addOption(runDirectoryOption)
    .action(async (options) => finish((await import("./cli/cleanup.ts")).runCleanup(options, output)));

  program
    .command("ipvs")
    .description("the kernel's IPVS table, as ipvsadm -Ln prints it")
    .option("--daemon", "instead of it the threads of connection sync", false)
    .option("--timeout", "instead of it the idle limits of connections", false)
    .option("--stats", "with what was counted, as ipvsadm -Ln --stats", false)
    .option("--rate", "with what is counted a second, as ipvsadm -Ln --rate", false)
    .action(async (options) => finish((await import("./cli/ipvs.ts")).runIpvs(options, output)));

  return program;
}

/** A file may be checked on another host than its own, so what this host has is not compared. */
async function check(options: {
  readonly file?: string;
  readonly configId?: string;
  readonly json: boolean;
}): Promise<number> {
  const [{ runCheck }, { readConfigFile }, { configurationFile }, { hostEnvironment }] = await Promise.all([
    import("./cli/check.ts"),
    import("./io/configFile.ts"),
    import("./cli/loadConfiguration.ts"),
    import("./io/sourceEnvironment.ts"),
  ]);
  return runCheck(
    { file: configurationFile(options.file), json: options.json },
    { read: readConfigFile, environment: hostEnvironment(options.configId), write: output.out },
  );
}

/** Ends the process once standard output and error have taken everything: pipes are asynchronous. */
function finish(code: number): void {
  process.exitCode = code;
  process.stdout.write("", () => process.stderr.write("", () => process.exit(code)));
}

try {
  await buildProgram(finish).parseAsync();
} catch (error) {
  // commander has printed its own errors and called finish; ours arrive here.
  if (process.exitCode === undefined) {
    output.err(errorText(error));
    finish(EXIT.failed);
  }
}
