import { DiagnosticList } from "./diagnostics.ts";
import type { Config, ConfigPlaces, Diagnostic, HostFacts, SourceSpan } from "./types.ts";
import type { VrrpInstanceConfig } from "./vrrp.types.ts";

/**
 * What the host's facts say against a valid configuration: warnings, because interfaces and addresses come and go while
 * the daemon runs (an instance is in FAULT meanwhile). Without facts, for a file of another host, there is nothing to say.
 */
export function validate(config: Config, facts: HostFacts | undefined, places: ConfigPlaces): readonly Diagnostic[] {
  if (facts === undefined) return [];
  const found = new DiagnosticList();
  for (const instance of config.vrrp.instances) {
    const place = places.vrrpInstances.get(instance.name);
    if (place === undefined) continue;
    interfaceCanSpeak(instance, facts, place.interface, found);
    devicesExist(instance, facts, place.addresses, found);
  }
  return found.sorted();
}

function interfaceCanSpeak(
  instance: VrrpInstanceConfig,
  facts: HostFacts,
  at: SourceSpan,
  found: DiagnosticList,
): void {
  const present = facts.interfaces.find(({ name }) => name === instance.interface);
  if (present === undefined) {
    found.warning(
      "interface-missing",
      at,
      `this host has no interface ${instance.interface}: vrrp_instance ${instance.name} is in FAULT until it appears`,
      knownInterfaces(facts),
    );
  } else if (!present.addresses.some(({ ip }) => !ip.includes(":"))) {
    found.warning(
      "interface-without-address",
      at,
      `${instance.interface} has no IPv4 address: vrrp_instance ${instance.name} is in FAULT until it has one to send from`,
      "give the interface an address of its own",
    );
  }
}

function devicesExist(
  instance: VrrpInstanceConfig,
  facts: HostFacts,
  places: readonly SourceSpan[],
  found: DiagnosticList,
): void {
  for (const [index, { address, device }] of instance.virtualAddresses.entries()) {
    const at = places[index];
    if (at === undefined || device === instance.interface || facts.interfaces.some(({ name }) => name === device))
      continue;
    found.warning(
      "interface-missing",
      at,
      `this host has no interface ${device}, the device of ${address}`,
      knownInterfaces(facts),
    );
  }
}

function knownInterfaces(facts: HostFacts): string {
  const names = facts.interfaces.map(({ name }) => name);
  return names.length === 0 ? "create it" : `create it, or name one of those there: ${names.slice(0, 10).join(", ")}`;
}
