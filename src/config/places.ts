import { staticInterface } from "./build/effective.ts";
import type { ParsedFile, ParsedGlobal } from "./build/parsed.ts";
import type { ConfigPlaces } from "./types.ts";

/** Where the things stand that only the host can contradict. */
export function placesOf(file: ParsedFile, global: ParsedGlobal): ConfigPlaces {
  return {
    vrrpInstances: new Map(
      file.vrrp_instance.map(({ header, at, values }) => [
        header,
        {
          interface: values.interface?.at ?? at,
          source: (values.mcast_src_ip ?? values.unicast_src_ip)?.at,
          addresses: [...values.virtual_ipaddress, ...values.virtual_ipaddress_excluded].map((address) => address.at),
        },
      ]),
    ),
    interfaces: otherInterfaces(file, global),
  };
}

function otherInterfaces(file: ParsedFile, global: ParsedGlobal): ConfigPlaces["interfaces"] {
  const trackers = [
    ...file.vrrp_instance.map(({ header, values }) => ({ owner: `vrrp_instance ${header}`, values })),
    ...file.vrrp_sync_group.map(({ header, values }) => ({ owner: `vrrp_sync_group ${header}`, values })),
  ];
  return [
    ...trackers.flatMap(({ owner, values }) =>
      values.track_interface.map(({ value, at }) => ({ name: value.name, at, use: `tracked by ${owner}` })),
    ),
    ...file.static_ipaddress.map(({ value, at }) => ({
      name: value.device ?? staticInterface(global),
      at,
      use: `the device of the static address ${value.address}`,
    })),
    ...file.linkbeat_interfaces.map(({ value, at }) => ({ name: value.text, at, use: "polled for its link" })),
    ...file.interface_up_down_delays.map(({ value, at }) => ({
      name: value.interface,
      at,
      use: "whose changes are delayed",
    })),
    ...(global.lvs_sync_daemon === undefined
      ? []
      : [{ name: global.lvs_sync_daemon.value.interface, at: global.lvs_sync_daemon.at, use: "of lvs_sync_daemon" }]),
  ];
}
