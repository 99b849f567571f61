import type { ScriptCommand } from "../vrrp.types.ts";
import { switchable } from "./kinds.ts";
import { MAN, type ValueRow } from "./row.ts";
import { scriptAsUser, scriptOrNothing } from "./scripts.ts";

/** What instances and sync groups tell about their changes of state. */

const row = { shape: "value", status: "implemented", reference: MAN, reload: "live" } as const;

const script = (keyword: string, doc: string) =>
  ({
    ...row,
    kind: scriptAsUser,
    doc,
    example: `${keyword} "/etc/holdfast/notify.sh argument" nobody`,
  }) as const satisfies ValueRow<ScriptCommand>;

export const notifyRows = {
  notify_master: script("notify_master", "Script to run when becoming MASTER."),
  notify_backup: script("notify_backup", "Script to run when becoming BACKUP."),
  notify_fault: script("notify_fault", "Script to run when going to FAULT."),
  notify_stop: script("notify_stop", "Script to run at a stop."),
  notify: script(
    "notify",
    "Script to run at every change of state, after the other one, with INSTANCE or GROUP, the name, the state and the priority behind its own arguments.",
  ),
  notify_deleted: {
    ...row,
    kind: scriptOrNothing,
    doc: "DELETED is told instead of FAULT when a reload removes the instance; a script that is written is run then.",
    example: "notify_deleted /etc/holdfast/deleted.sh",
  } satisfies ValueRow<{ readonly command: ScriptCommand | undefined }>,
  notify_priority_changes: {
    ...row,
    kind: switchable,
    defaultFrom: "vrrp_notify_priority_changes",
    doc: "Tells changes of the priority to the notify FIFOs.",
    example: "notify_priority_changes on",
  } satisfies ValueRow<boolean>,
  smtp_alert: {
    ...row,
    kind: switchable,
    defaultFrom: "smtp_alert_vrrp, else smtp_alert of global_defs, else off",
    doc: "Mail at changes of state.",
    example: "smtp_alert on",
  } satisfies ValueRow<boolean>,
} as const;

export const lowerPriorityRow = script(
  "notify_master_rx_lower_pri",
  "Script to run when a MASTER hears an advert of a lower priority.",
);
