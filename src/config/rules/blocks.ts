import { toSeconds } from "../../core/units.ts";
import { interfaceOf, shortestSilence } from "../build/effective.ts";
import type { FileRule } from "./rule.ts";
import { reportRepeated } from "./rule.ts";
import { reportUnknownName } from "./tracking.ts";

/** garp_group, interface_up_down_delays, linkbeat_interfaces, static_*, and the FIFOs of global_defs. */

const announcementGroupsAreComplete: FileRule = ({ file }, found) => {
  for (const { at, values, seen } of file.garp_group) {
    const { interface: single, interfaces } = values;
    if (single !== undefined && interfaces.length > 0) {
      const message = "garp_group: interface and interfaces contradict each other";
      found.error("contradiction", single.at, message, "write all of them into interfaces { ... }");
    } else if (!seen.has("interface") && !seen.has("interfaces")) {
      found.error("missing-keyword", at, "garp_group has no interface", "add it, for example: interface eth0");
    }
    if (values.garp_interval.value === 0 && values.gna_interval.value === 0 && !found.hasErrors) {
      const message = "garp_group has neither garp_interval nor gna_interval: its interfaces have no pauses at all";
      found.warning("no-pause", at, message, "add one of them, for example: garp_interval 0.001");
    }
  }
  const named = file.garp_group.flatMap(({ values }) => [
    ...(values.interface === undefined ? [] : [{ name: values.interface.value, at: values.interface.at }]),
    ...values.interfaces.flatMap(({ value }) => value.map(({ text, word }) => ({ name: text, at: word.at }))),
  ]);
  reportRepeated(
    named,
    ({ name }) => name,
    ({ name, at }, first) => {
      const message = `garp_group: ${name} is in a garp_group already, in line ${first.at.line}`;
      found.error("duplicate-name", at, message, "name it in one group, once");
    },
  );
};

/** keepalived.conf(5): "less than ... (one less than down_timer_adverts) times the advert interval of any VRRP instance using that interface". */
const linkDelaysAreShort: FileRule = ({ file, global }, found) => {
  reportRepeated(
    file.interface_up_down_delays,
    ({ value }) => value.interface,
    ({ value, at }, first) => {
      const message = `interface_up_down_delays: ${value.interface} is listed already in line ${first.at.line}`;
      found.error("duplicate-name", at, message, "keep one of the lines");
    },
  );
  for (const { value } of file.interface_up_down_delays) {
    for (const { header, values } of file.vrrp_instance) {
      const uses =
        interfaceOf(values, global) === value.interface ||
        values.track_interface.some((line) => line.value.name === value.interface);
      const limit = shortestSilence(values, global);
      if (!uses || value.down === 0 || value.down < limit) continue;
      const message = `interface_up_down_delays: ${toSeconds(value.down)} s on ${value.interface} is not less than ${toSeconds(limit)} s (advert_int times down_timer_adverts - 1 of vrrp_instance ${header}), so a backup that hears nothing would become MASTER before it is in FAULT`;
      found.error("link-delay-too-long", value.words.down.at, message, "write a shorter delay");
    }
  }
};

const linkbeatIsListedOnce: FileRule = ({ file }, found) => {
  reportRepeated(
    file.linkbeat_interfaces,
    ({ value }) => value.text,
    ({ value, at }, first) => {
      const message = `linkbeat_interfaces: ${value.text} is listed already in line ${first.at.line}`;
      found.error("duplicate-name", at, message, "keep one of the lines");
    },
  );
};

const trackGroupsExist: FileRule = ({ file }, found) => {
  const names = file.track_group.map(({ header }) => header);
  const words = [
    ...file.static_ipaddress.map(({ value }) => value.words.trackGroup),
    ...file.static_routes.map(({ value }) => value.trackGroup),
    ...file.static_rules.map(({ value }) => value.trackGroup),
  ];
  for (const word of words) {
    if (word === undefined || names.includes(word.text)) continue;
    reportUnknownName("track_group", word, { block: "track_group", names }, found);
  }
};

const rulesHaveAPreference: FileRule = ({ file }, found) => {
  const lines = [...file.static_rules, ...file.vrrp_instance.flatMap(({ values }) => values.virtual_rules)];
  for (const { value, at } of lines) {
    if (value.rule.preference !== undefined) continue;
    const message =
      "the rule has no preference: rules without one stand in the order of the file, in keepalived in the opposite one";
    found.warning("rule-without-preference", at, message, "write preference with a number below 32766");
  }
};

const FIFOS = ["notify_fifo", "vrrp_notify_fifo", "lvs_notify_fifo"] as const;

/** keepalived.conf(5): "the FIFO names must all be different" */
const fifosDiffer: FileRule = ({ global }, found) => {
  const written = FIFOS.flatMap((keyword) => {
    const fifo = global[keyword];
    return fifo === undefined ? [] : [{ keyword, fifo }];
  });
  reportRepeated(
    written,
    ({ fifo }) => fifo.value.path,
    ({ keyword, fifo }, first) => {
      const message = `${keyword}: ${fifo.value.path} is the ${first.keyword} already`;
      found.error("duplicate-fifo", fifo.at, message, "write another path: each FIFO has one reader");
    },
  );
  for (const keyword of FIFOS) {
    const script = global[`${keyword}_script`];
    if (script === undefined || global[keyword] !== undefined) continue;
    const message = `${keyword}_script has no FIFO to read: ${keyword} is not written`;
    found.error("script-without-fifo", script.at, message, `add ${keyword} with a path, or remove it`);
  }
};

export const BLOCK_RULES: readonly FileRule[] = [
  announcementGroupsAreComplete,
  linkDelaysAreShort,
  linkbeatIsListedOnce,
  trackGroupsExist,
  rulesHaveAPreference,
  fifosDiffer,
];
