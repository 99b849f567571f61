import { HoldfastError } from "../core/errors.ts";
import { loadAddon } from "../io/addon.ts";
import { type Address, HostNetwork, IFAPROT_HOLDFAST } from "../io/hostNetwork.ts";
import { RunDirectory } from "../io/runDirectory.ts";
import { EXIT, type ExitCode } from "./exitCodes.ts";
import { loadConfiguration } from "./loadConfiguration.ts";
import { errorText, type Output } from "./output.ts";

/**
 * `holdfast cleanup`: removes the virtual addresses that a dead daemon has left, for ExecStopPost= and for people. Never
 * beside a living one, and never an address without an end, which is the host's own.
 */
export function runCleanup(
  options: { readonly file?: string; readonly configId?: string; readonly runDir: string },
  output: Output,
): ExitCode {
  const addon = loadAddon();
  let runDirectory: RunDirectory | undefined;
  const network = new HostNetwork(addon);
  try {
    runDirectory = RunDirectory.open(options.runDir, addon);
    const names = new Map(network.listLinks().map(({ index, name }) => [index, name]));
    const left = network.listAddresses().filter(leftoverOf(configuredAddresses(options, output)));
    const outcomes = network.applyAddresses(left.map((address) => ({ kind: "delete", request: address })));
    let failed = false;
    for (const [index, { ip, prefixLength, linkIndex }] of left.entries()) {
      const outcome = outcomes[index];
      const what = `${ip}/${prefixLength} dev ${names.get(linkIndex) ?? linkIndex}`;
      // It ended by itself meanwhile: that is what was wanted.
      const gone = outcome?.ok === true || outcome?.code === "EADDRNOTAVAIL" || outcome?.code === "ENODEV";
      if (gone) output.out(`removed ${what}\n`);
      else output.err(`holdfast: cannot remove ${what}: ${outcome?.code ?? "unknown"}\n`);
      failed ||= !gone;
    }
    return failed ? EXIT.failed : EXIT.ok;
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    output.err(errorText(error));
    return EXIT.host;
  } finally {
    network.close();
    runDirectory?.close();
  }
}

/** By our mark where the kernel keeps it (Linux 5.18), by the configuration elsewhere. */
function leftoverOf(configured: ReadonlySet<string>): (address: Address) => boolean {
  return ({ permanent, protocol, ip }) => !permanent && (protocol === IFAPROT_HOLDFAST || configured.has(ip));
}

/** A file that is missing or wrong now leaves the mark to go by. */
function configuredAddresses(
  { file, configId }: { readonly file?: string; readonly configId?: string },
  output: Output,
): ReadonlySet<string> {
  const loaded = loadConfiguration(file, configId);
  if (!loaded.ok) {
    output.err(`holdfast: the configuration cannot be read, so only addresses with holdfast's mark are removed\n`);
    return new Set();
  }
  const { instances } = loaded.config.vrrp;
  const held = instances.flatMap((one) => [...one.virtualAddresses, ...one.excludedAddresses]);
  return new Set<string>(held.map(({ address }) => address));
}
