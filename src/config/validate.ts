import { family } from "../core/ip.ts";
import { DiagnosticList } from "./diagnostics.ts";
import { isLinkLocal } from "./rules/addresses.ts";
import type { Config, ConfigPlaces, Diagnostic, HostFacts, SourceSpan } from "./types.ts";
import type { VrrpInstanceConfig } from "./vrrp.types.ts";

/**
 * What the host's facts say against a valid configuration: warnings, because interfaces and addresses come and go while
 * the daemon runs (an instance is in FAULT meanwhile). Without facts, for a file of another host, there is nothing to say.
 */
export function validate(config: Config, facts: HostFacts | undefined, places: ConfigPlaces): readonly Diagnostic[] {
  if (facts === undefined) return [];
  const found = new DiagnosticList();
  const ours = namesOfOurDevices(config);
  for (const instance of config.vrrp.instances) {
    const place = places.vrrpInstances.get(instance.name);
    if (place === undefined) continue;
    interfaceCanSpeak(instance, facts, place.interface, found);
    sourceIsThere(instance, facts, place.source, found);
    devicesExist(instance, { facts, ours, places: place.addresses }, found);
  }
  for (const { name, at, use } of places.interfaces) {
    if (exists(facts, name) || ours.has(name)) continue;
    found.warning("interface-missing", at, `this host has no interface ${name}, ${use}`, knownInterfaces(facts));
  }
  return found.sorted();
}

const exists = (facts: HostFacts, wanted: string): boolean => facts.interfaces.some(({ name }) => name === wanted);

/** Virtual MAC devices: they are made at the start. */
function namesOfOurDevices({ vrrp }: Config): ReadonlySet<string> {
  const devices = vrrp.instances.flatMap(({ virtualMac, virtualAddresses, excludedAddresses }) => [
    virtualMac,
    ...[...virtualAddresses, ...excludedAddresses].map(({ ownVirtualMac }) => ownVirtualMac),
  ]);
  return new Set(devices.flatMap((device) => device?.name ?? []));
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
    return;
  }
  const wanted = neededAddress(instance);
  if (present.addresses.some(({ ip }) => wanted.fits(ip))) return;
  found.warning(
    "interface-without-address",
    at,
    `${instance.interface} has no ${wanted.name}: vrrp_instance ${instance.name} is in FAULT until it has one to send from`,
    wanted.remedy,
  );
}

/** RFC 9568 5.1.2.1: IPv6 adverts come from the interface's link-local address; unicast reaches further. */
function neededAddress({ family: ofInstance, transport }: VrrpInstanceConfig) {
  type Address = HostFacts["interfaces"][number]["addresses"][number]["ip"];
  if (ofInstance === 4) {
    const fits = (address: Address): boolean => family(address) === 4;
    return { name: "IPv4 address", fits, remedy: "give the interface an address of its own" };
  }
  if (transport.kind === "unicast") {
    const fits = (address: Address): boolean => family(address) === 6;
    return { name: "IPv6 address", fits, remedy: "give the interface an address of its own" };
  }
  return {
    name: "IPv6 link-local address",
    fits: isLinkLocal,
    remedy: "set net.ipv6.conf.INTERFACE.disable_ipv6 = 0 and addr_gen_mode = 0, or add an address in fe80::/64",
  };
}

function sourceIsThere(
  { name, sourceAddress, trackSourceAddress }: VrrpInstanceConfig,
  facts: HostFacts,
  at: SourceSpan | undefined,
  found: DiagnosticList,
): void {
  if (sourceAddress === undefined || at === undefined) return;
  if (facts.interfaces.some(({ addresses }) => addresses.some(({ ip }) => ip === sourceAddress))) return;
  const consequence = trackSourceAddress
    ? `vrrp_instance ${name} is in FAULT until it has`
    : `adverts of vrrp_instance ${name} come from the interface's primary address until it has`;
  const message = `this host does not have the source address ${sourceAddress}: ${consequence}`;
  found.warning("source-address-missing", at, message, "add it to the interface, or write one that is there");
}

interface AddressContext {
  readonly facts: HostFacts;
  readonly ours: ReadonlySet<string>;
  readonly places: readonly SourceSpan[];
}

function devicesExist(
  instance: VrrpInstanceConfig,
  { facts, ours, places }: AddressContext,
  found: DiagnosticList,
): void {
  for (const [index, address] of [...instance.virtualAddresses, ...instance.excludedAddresses].entries()) {
    const at = places[index];
    const device = address.baseInterface ?? address.device;
    if (at === undefined || device === instance.interface || ours.has(device) || exists(facts, device)) continue;
    found.warning(
      "interface-missing",
      at,
      `this host has no interface ${device}, the device of ${address.address}`,
      knownInterfaces(facts),
    );
  }
}

function knownInterfaces(facts: HostFacts): string {
  const names = facts.interfaces.map(({ name }) => name);
  return names.length === 0 ? "create it" : `create it, or name one of those there: ${names.slice(0, 10).join(", ")}`;
}
