import { BorrowedSettings } from "../core/borrowedSettings.ts";
import { HoldfastError } from "../core/errors.ts";
import { loadAddon } from "../io/addon.ts";
import type { NativeSocket } from "../io/addon.types.ts";
import { takeNetworkNamespace } from "../io/hostChecks.ts";
import {
  type Address,
  HostNetwork,
  IFAPROT_HOLDFAST,
  isMarkedDevice,
  type Link,
  type OperationOutcome,
} from "../io/hostNetwork.ts";
import { RunDirectory } from "../io/runDirectory.ts";
import { readSysctl, writeSysctl } from "../io/sysctl.ts";
import { EXIT, type ExitCode } from "./exitCodes.ts";
import { loadConfiguration } from "./loadConfiguration.ts";
import { errorText, type Output } from "./output.ts";

/**
 * `holdfast cleanup`: removes the virtual addresses and the devices of its own that a dead daemon has left, and gives its
 * interfaces' settings back, for ExecStopPost= and for people. Never beside a living one, and never an address without an end,
 * which is the host's own. IPVS keeps its table and what that has borrowed: connections live on until the next start.
 */
export function runCleanup(
  options: { readonly file?: string; readonly configId?: string; readonly runDir: string },
  output: Output,
): ExitCode {
  const addon = loadAddon();
  let runDirectory: RunDirectory | undefined;
  let namespace: NativeSocket | undefined;
  const network = new HostNetwork(addon);
  try {
    runDirectory = RunDirectory.open(options.runDir, addon);
    // What is marked may be a living one's that has another run directory.
    namespace = takeNetworkNamespace(addon);
    const links = network.listLinks();
    const addressesGone = removeAddresses(network, links, { configured: configuredAddresses(options, output), output });
    const devicesGone = removeDevices(network, links, output);
    const settingsBack = giveSettingsBack(runDirectory, output);
    return addressesGone && devicesGone && settingsBack ? EXIT.ok : EXIT.failed;
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    output.err(errorText(error));
    return EXIT.host;
  } finally {
    network.close();
    namespace?.close();
    runDirectory?.close();
  }
}

/** Returns whether nothing is left. */
function removeAddresses(
  network: HostNetwork,
  links: readonly Link[],
  { configured, output }: { readonly configured: ReadonlySet<string>; readonly output: Output },
): boolean {
  const names = new Map(links.map(({ index, name }) => [index, name]));
  const left = network.listAddresses().filter(leftoverOf(configured));
  const outcomes = network.applyAddresses(left.map((address) => ({ kind: "delete", request: address })));
  return left
    .map(({ ip, prefixLength, linkIndex }, index) => {
      const what = `${ip}/${prefixLength} dev ${names.get(linkIndex) ?? linkIndex}`;
      return tell(what, outcomes[index], output);
    })
    .every((gone) => gone);
}

/** Those with our mark: the next daemon makes its own again. Returns whether nothing is left. */
function removeDevices(network: HostNetwork, links: readonly Link[], output: Output): boolean {
  return links
    .filter(isMarkedDevice)
    .map(({ name, index }) => tell(`device ${name}`, network.deleteLink(index), output))
    .every((gone) => gone);
}

/** Returns whether all are as they were before the daemon, or as somebody has set them since. */
function giveSettingsBack({ interfaceSettings }: RunDirectory, output: Output): boolean {
  const settings = new BorrowedSettings({ read: readSysctl, write: writeSysctl }, interfaceSettings);
  return settings
    .held()
    .toReversed()
    .map(({ name, before }) => {
      const outcome = settings.release(name);
      if (!outcome.ok) output.err(`holdfast: ${outcome.detail}\n`);
      else if (outcome.changed !== undefined) output.out(`set ${name} back to ${before}\n`);
      return outcome.ok;
    })
    .every((back) => back);
}

/** Returns whether it is gone. */
function tell(what: string, outcome: OperationOutcome | undefined, output: Output): boolean {
  // It ended by itself meanwhile: that is what was wanted.
  const gone = outcome?.ok === true || outcome?.code === "EADDRNOTAVAIL" || outcome?.code === "ENODEV";
  if (gone) output.out(`removed ${what}\n`);
  else output.err(`holdfast: cannot remove ${what}: ${outcome?.code ?? "unknown"}\n`);
  return gone;
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
