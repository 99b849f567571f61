import { fail, ok } from "../../core/result.ts";
import { type DurationUs, seconds } from "../../core/units.ts";
import type { Word } from "../lexer.ts";
import { garpPause } from "./garp.ts";
import { flag, interfaceName, invalid, timer } from "./kinds.ts";
import { parseOptions } from "./options.ts";
import { type BlockRow, blockTable, type LinesRow, MAN, type ValueKind, type ValueRow } from "./row.ts";
import { type Name, names } from "./words.ts";

/** Blocks about interfaces: pauses of announcements, delays of link changes, polling of link states. */

const row = { shape: "value", status: "implemented", reference: MAN, reload: "live" } as const;
const lines = { shape: "lines", status: "implemented", reference: MAN, reload: "live" } as const;

/** Names of interfaces, one or more on a line. */
const interfaceNames: ValueKind<readonly Name[]> = {
  ...names("INTERFACE"),
  parse: (words) => {
    for (const word of words) {
      const parsed = interfaceName.parse([word]);
      if (!parsed.ok) return parsed;
    }
    return names("INTERFACE").parse(words);
  },
};

export const garpGroupTable = blockTable("garp_group", {
  garp_interval: {
    ...row,
    kind: garpPause,
    default: seconds(0),
    doc: "Pause between gratuitous ARP messages.",
    example: "garp_interval 0.001",
  } satisfies ValueRow<DurationUs>,
  gna_interval: {
    ...row,
    kind: garpPause,
    default: seconds(0),
    doc: "Pause between unsolicited neighbour advertisements.",
    example: "gna_interval 0.001",
  } satisfies ValueRow<DurationUs>,
  interface: {
    ...row,
    kind: interfaceName,
    doc: "The one interface that the pauses are for.",
    example: "interface eth0",
  } satisfies ValueRow<string>,
  interfaces: {
    ...lines,
    line: interfaceNames,
    lineExample: "eth0",
    doc: "Interfaces that share the pauses.",
    example: "interfaces {\n  eth0\n  eth1\n}",
  } satisfies LinesRow<readonly Name[]>,
});

/** `IFACE DOWN [UP]` */
export interface LinkDelayLine {
  readonly interface: string;
  readonly down: DurationUs;
  readonly up: DurationUs;
  readonly words: { readonly interface: Word; readonly down: Word };
}

const linkDelay = timer({ minSec: 0, maxSec: 255 });
const linkDelayLine: ValueKind<LinkDelayLine> = {
  syntax: "<INTERFACE> <DOWN SECONDS 0..255> [<UP SECONDS 0..255>]",
  minimumWords: 2,
  maximumWords: 3,
  parse: ([name, downWord, upWord]) => {
    if (name === undefined || downWord === undefined)
      return fail({ code: "missing-value", message: "a delay is missing", remedy: "write it behind the interface" });
    const device = interfaceName.parse([name]);
    if (!device.ok) return device;
    const down = linkDelay.parse([downWord]);
    if (!down.ok) return down;
    const up = upWord === undefined ? down : linkDelay.parse([upWord]);
    if (!up.ok) return up;
    return ok({
      interface: device.value,
      down: down.value,
      up: up.value,
      words: { interface: name, down: downWord },
    });
  },
  format: ({ interface: name, down, up }) => `${name} ${linkDelay.format(down)} ${linkDelay.format(up)}`,
};

const pollingType = {
  ...row,
  status: "noEffect",
  reload: "none",
  reason: "it is a preference only; holdfast asks every driver by ethtool, who answers from the PHY where there is one",
  kind: flag,
} as const;

const linkbeatOptions = blockTable("a linkbeat_interfaces line", {
  MII: { ...pollingType, doc: "Prefers MII.", example: "eth0 MII" } satisfies ValueRow<true>,
  ETHTOOL: { ...pollingType, doc: "Prefers ethtool.", example: "eth0 ETHTOOL" } satisfies ValueRow<true>,
  IOCTL: { ...pollingType, doc: "Prefers the ioctl.", example: "eth0 IOCTL" } satisfies ValueRow<true>,
});

const linkbeatLine: ValueKind<Name> = {
  syntax: "<INTERFACE> [MII|ETHTOOL|IOCTL]",
  minimumWords: 1,
  maximumWords: Number.POSITIVE_INFINITY,
  parse: ([name, ...rest]) => {
    if (name === undefined)
      return fail({ code: "missing-value", message: "an interface is missing", remedy: "write its name" });
    const device = interfaceName.parse([name]);
    if (!device.ok) return device;
    const options = parseOptions(linkbeatOptions, rest, "a linkbeat interface");
    if (!options.ok) return options;
    const [, second] = rest;
    if (second !== undefined) return invalid(second, "is a second way of polling", "keep one of them");
    return ok({ text: device.value, word: name });
  },
  format: ({ text }) => text,
};

export const interfaceRows = {
  garp_group: {
    shape: "block",
    status: "implemented",
    reference: MAN,
    reload: "live",
    header: flag,
    table: garpGroupTable,
    doc: "Pauses between gratuitous ARP messages and neighbour advertisements by interface.",
    example: "garp_group {\n  garp_interval 0.001\n  interface eth0\n}",
  } satisfies BlockRow<true, typeof garpGroupTable.rows>,
  interface_up_down_delays: {
    ...lines,
    line: linkDelayLine,
    lineExample: "eth0 0.5 1",
    doc: "A change of a link counts after it has lasted this long: down, and up (as long as down where it is not written). Shorter than down_timer_adverts - 1 advert intervals of every instance there.",
    example: "interface_up_down_delays {\n  eth0 0.5 1\n}",
  } satisfies LinesRow<LinkDelayLine>,
  linkbeat_interfaces: {
    ...lines,
    line: linkbeatLine,
    lineTable: linkbeatOptions,
    lineExample: "eth0 ETHTOOL",
    doc: "Interfaces whose drivers are asked for their link twice a second, besides the kernel's notifications: down by either is down.",
    example: "linkbeat_interfaces {\n  eth0\n}",
  } satisfies LinesRow<Name>,
  linkbeat_use_polling: {
    ...row,
    kind: flag,
    doc: "linkbeat_interfaces for all interfaces of instances.",
    example: "linkbeat_use_polling",
  } satisfies ValueRow<true>,
} as const;
