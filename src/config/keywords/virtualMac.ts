import { ok } from "../../core/result.ts";
import type { Word } from "../lexer.ts";
import { flag, interfaceName, invalid } from "./kinds.ts";
import { MAN, type ValueKind, type ValueRow } from "./row.ts";
import { isHardwareAddress, type Prefix, parseHardwareAddress, parsePrefix } from "./words.ts";

/** Devices of our own that carry the addresses. */

const row = { shape: "value", status: "implemented", reference: MAN, reload: "restart" } as const;

export interface UseVmacValue {
  readonly name: string | undefined;
  /** Five or six bytes. */
  readonly hardwareAddress: readonly number[] | undefined;
}

/** `[NAME] [MAC]`, in either order as keepalived takes them. */
const useVmac: ValueKind<UseVmacValue> = {
  syntax: "[<NAME>] [<MAC>]",
  minimumWords: 0,
  maximumWords: 2,
  parse: (words) => {
    let found: UseVmacValue = { name: undefined, hardwareAddress: undefined };
    for (const word of words) {
      if (isHardwareAddress(word.text)) {
        if (found.hardwareAddress !== undefined) return second(word, "hardware address");
        const parsed = parseHardwareAddress(word);
        if (!parsed.ok) return parsed;
        found = { ...found, hardwareAddress: parsed.value };
      } else {
        if (found.name !== undefined) return second(word, "name");
        const parsed = interfaceName.parse([word]);
        if (!parsed.ok) return parsed;
        found = { ...found, name: parsed.value };
      }
    }
    return ok(found);
  },
  format: ({ name, hardwareAddress }) =>
    [name, hardwareAddress?.map((byte) => byte.toString(16).padStart(2, "0")).join(":")]
      .filter((each) => each !== undefined)
      .join(" "),
};

const second = (word: Word, what: string) => invalid(word, `is a second ${what}`, "keep one of them");

const IPVLAN_MODES = ["bridge", "private", "vepa"] as const;
export type IpvlanMode = (typeof IPVLAN_MODES)[number];

export interface UseIpvlanValue {
  readonly name: string | undefined;
  readonly address: Prefix | undefined;
  readonly mode: IpvlanMode;
}

/** `[NAME] [ADDR[/PREFIX]] [bridge|private|vepa]`, in any order as keepalived takes them. */
const useIpvlan: ValueKind<UseIpvlanValue> = {
  syntax: "[<NAME>] [<IPADDR>[/<PREFIX>]] [bridge|private|vepa]",
  minimumWords: 0,
  maximumWords: 3,
  parse: (words) => {
    let name: string | undefined;
    let address: Prefix | undefined;
    let mode: IpvlanMode | undefined;
    for (const word of words) {
      const writtenMode = IPVLAN_MODES.find((each) => each === word.text);
      if (writtenMode !== undefined) {
        if (mode !== undefined) return second(word, "mode");
        mode = writtenMode;
      } else if (/^[\d.]+(\/|$)|:/.test(word.text)) {
        if (address !== undefined) return second(word, "address");
        const parsed = parsePrefix(word);
        if (!parsed.ok) return parsed;
        address = parsed.value;
      } else {
        if (name !== undefined) return second(word, "name");
        const parsed = interfaceName.parse([word]);
        if (!parsed.ok) return parsed;
        name = parsed.value;
      }
    }
    return ok({ name, address, mode: mode ?? "bridge" });
  },
  format: ({ name, address, mode }) =>
    [name, address === undefined ? undefined : `${address.address}/${address.prefixLength}`, mode]
      .filter((each) => each !== undefined)
      .join(" "),
};

export const virtualMacRows = {
  use_vmac: {
    ...row,
    kind: useVmac,
    doc: "Puts addresses and adverts on a macvlan device with the virtual router's MAC (RFC 9568 7.3), or with the one written; of five bytes the virtual_router_id is the sixth. The device is named `vmac_prefix`.VRID (`vmac_prefix`6.VRID for IPv6) unless a name is written.",
    reference: `${MAN}, RFC 9568 7.3`,
    example: "use_vmac vrrp51",
  } satisfies ValueRow<UseVmacValue>,
  use_vmac_addr: {
    ...row,
    kind: flag,
    doc: "Virtual MAC devices also for addresses on other interfaces, and for those of the other family.",
    example: "use_vmac_addr",
  } satisfies ValueRow<true>,
  vmac_xmit_base: {
    ...row,
    kind: flag,
    doc: "Adverts are sent and received on the interface below the virtual MAC device.",
    example: "vmac_xmit_base",
  } satisfies ValueRow<true>,
  use_ipvlan: {
    ...row,
    kind: useIpvlan,
    doc: "Puts addresses and adverts on an ipvlan device (mode L2) with an address of its own; IPv4 needs that address.",
    example: "use_ipvlan ipv51 10.0.2.3/24",
  } satisfies ValueRow<UseIpvlanValue>,
} as const;
