import { ok } from "../../core/result.ts";
import { type DurationUs, seconds } from "../../core/units.ts";
import type { ScriptCommand } from "../vrrp.types.ts";
import { flag, integer, invalid, oneWord, port, switchable, text, timer, userAndGroup } from "./kinds.ts";
import { type LinesRow, MAN, type ValueKind, type ValueRow } from "./row.ts";
import { type FifoValue, fifoAsUser, scriptAsUser } from "./scripts.ts";
import { type Name, names } from "./words.ts";

/** `global_defs`: scripts, FIFOs and mail. */

const row = { shape: "value", status: "implemented", reference: MAN, reload: "live" } as const;

const SCRIPT_TIMEOUT_MAX_SEC = 1000;
const scriptTimeout = integer({ min: 1, max: SCRIPT_TIMEOUT_MAX_SEC, unit: "SECONDS" });

/** RFC 5321 4.5.3.1: 64 bytes before the @ and 255 behind it. */
const MAIL_ADDRESS_BYTES = 320;
const isMailAddress = (written: string): boolean =>
  /^[^\s<>,;\p{C}]+$/u.test(written) && written.length <= MAIL_ADDRESS_BYTES;

const mailAddress: ValueKind<string> = oneWord("<ADDRESS>", (word) =>
  isMailAddress(word.text)
    ? ok(word.text)
    : invalid(word, "is no mail address", "write it without a name and brackets: admin@example.com"),
);

const mailAddresses: ValueKind<readonly Name[]> = {
  ...names("ADDRESS"),
  parse: (words) => {
    for (const word of words) {
      const parsed = mailAddress.parse([word]);
      if (!parsed.ok) return parsed;
    }
    return names("ADDRESS").parse(words);
  },
};

export interface MailServer {
  readonly host: string;
  readonly port: number;
}

const SMTP_PORT = 25;
const HOST_NAME_BYTES = 253;
const mailHost = text("HOST", HOST_NAME_BYTES);

const mailServer: ValueKind<MailServer> = {
  syntax: "<HOST> [<PORT 1..65535>]",
  minimumWords: 1,
  maximumWords: 2,
  parse: ([hostWord, portWord]) => {
    const host = mailHost.parse(hostWord === undefined ? [] : [hostWord]);
    if (!host.ok) return host;
    if (hostWord !== undefined && !/^[\w.:-]+$/.test(host.value))
      return invalid(hostWord, "is no host", "write an address or a domain name, and the port behind it");
    if (portWord === undefined) return ok({ host: host.value, port: SMTP_PORT });
    const parsed = port.parse([portWord]);
    return parsed.ok ? ok({ host: host.value, port: parsed.value }) : parsed;
  },
  format: ({ host, port: number }) => (number === SMTP_PORT ? host : `${host} ${number}`),
};

const fifo = (keyword: string, doc: string) =>
  ({
    ...row,
    kind: fifoAsUser,
    doc,
    example: `${keyword} /run/holdfast/notify root`,
  }) as const satisfies ValueRow<FifoValue>;
const script = (keyword: string, doc: string) =>
  ({
    ...row,
    kind: scriptAsUser,
    doc,
    example: `${keyword} /etc/holdfast/script.sh nobody`,
  }) as const satisfies ValueRow<ScriptCommand>;
const alert = (keyword: string, defaultFrom: string, doc: string) =>
  ({ ...row, kind: switchable, defaultFrom, doc, example: `${keyword} on` }) as const satisfies ValueRow<boolean>;

export const globalNotifyRows = {
  enable_script_security: {
    ...row,
    kind: flag,
    doc: "A script that would run as root is refused where anybody else may write it or a folder on its path.",
    example: "enable_script_security",
  } satisfies ValueRow<true>,
  script_user: {
    ...row,
    kind: userAndGroup,
    defaultFrom: "keepalived_script where that user exists, else the daemon's own",
    doc: "User and group of scripts that name none themselves.",
    example: "script_user nobody",
  } satisfies ValueRow<{ readonly user: string; readonly group: string | undefined }>,
  startup_script: {
    ...script("startup_script", "Script to run at the start, before anything else is done."),
    reload: "none",
  },
  startup_script_timeout: {
    ...row,
    reload: "none",
    kind: scriptTimeout,
    default: 10,
    doc: "Seconds after which the start script is killed.",
    example: "startup_script_timeout 10",
  } satisfies ValueRow<number>,
  shutdown_script: script("shutdown_script", "Script to run at the end, after everything else."),
  shutdown_script_timeout: {
    ...row,
    kind: scriptTimeout,
    default: 10,
    doc: "Seconds after which the shutdown script is killed.",
    example: "shutdown_script_timeout 10",
  } satisfies ValueRow<number>,
  notify_fifo: fifo("notify_fifo", "FIFO that all events are written to, one a line."),
  notify_fifo_script: script("notify_fifo_script", "Script that reads it; the FIFO's path is its last argument."),
  vrrp_notify_fifo: fifo("vrrp_notify_fifo", "FIFO that VRRP's events are written to, one a line."),
  vrrp_notify_fifo_script: script(
    "vrrp_notify_fifo_script",
    "Script that reads it; the FIFO's path is its last argument.",
  ),
  lvs_notify_fifo: fifo("lvs_notify_fifo", "FIFO that the checkers' events are written to, one a line."),
  lvs_notify_fifo_script: script(
    "lvs_notify_fifo_script",
    "Script that reads it; the FIFO's path is its last argument.",
  ),
  fifo_write_vrrp_states_on_reload: {
    ...row,
    kind: flag,
    doc: "Writes the states of instances and groups to the FIFOs again at a reload.",
    example: "fifo_write_vrrp_states_on_reload",
  } satisfies ValueRow<true>,
  notification_email: {
    shape: "lines",
    status: "implemented",
    reference: MAN,
    reload: "live",
    line: mailAddresses,
    lineExample: "admin@example.com",
    doc: "Addresses that mail goes to. Without one no mail is sent.",
    example: "notification_email {\n  admin@example.com\n}",
  } satisfies LinesRow<readonly Name[]>,
  notification_email_from: {
    ...row,
    kind: mailAddress,
    defaultFrom: "keepalived@ and the host's name",
    doc: "Sender of mail.",
    example: "notification_email_from keepalived@example.com",
  } satisfies ValueRow<string>,
  smtp_server: {
    ...row,
    kind: mailServer,
    default: { host: "127.0.0.1", port: SMTP_PORT },
    doc: "Mail server, an address or a name, and its port.",
    example: "smtp_server 192.0.2.25",
  } satisfies ValueRow<MailServer>,
  smtp_helo_name: {
    ...row,
    kind: mailHost,
    defaultFrom: "the host's name",
    doc: "Name to say in HELO.",
    example: "smtp_helo_name kad1.example.com",
  } satisfies ValueRow<string>,
  smtp_connect_timeout: {
    ...row,
    kind: timer({ minSec: 0.1, maxSec: 4294 }),
    default: seconds(30),
    doc: "Time allowed to connect to the mail server.",
    example: "smtp_connect_timeout 30",
  } satisfies ValueRow<DurationUs>,
  smtp_alert: alert(
    "smtp_alert",
    "off",
    "smtp_alert of instances, groups, virtual and real servers that do not write their own.",
  ),
  smtp_alert_checker: alert("smtp_alert_checker", "smtp_alert", "The same, for virtual and real servers only."),
  rs_init_notifies: {
    ...row,
    kind: flag,
    doc: "A real server's first verdict is told by notify_up, FIFO and mail also when it is up.",
    example: "rs_init_notifies",
  } satisfies ValueRow<true>,
  smtp_alert_vrrp: alert("smtp_alert_vrrp", "smtp_alert", "The same, for VRRP only."),
  no_email_faults: {
    ...row,
    kind: flag,
    doc: "No mail when an instance or group goes to FAULT.",
    example: "no_email_faults",
  } satisfies ValueRow<true>,
} as const;
