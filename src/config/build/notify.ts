import { seconds } from "../../core/units.ts";
import type { Written, WrittenOrDefault } from "../keywords/row.ts";
import type { FifoValue } from "../keywords/scripts.ts";
import type { MailConfig, NotifyFifoConfig, TimedScript } from "../types.ts";
import type { NotifyConfig, ScriptCommand } from "../vrrp.types.ts";
import type { ParsedGlobal, ParsedInstance, ParsedSyncGroup } from "./parsed.ts";

/** Who is told of changes of state. */

export function buildNotify(
  values: ParsedInstance["values"] | ParsedSyncGroup["values"],
  global: ParsedGlobal,
): NotifyConfig {
  return {
    master: values.notify_master?.value,
    backup: values.notify_backup?.value,
    fault: values.notify_fault?.value,
    stop: values.notify_stop?.value,
    deleted: values.notify_deleted?.value.command,
    tellsDeleted: values.notify_deleted !== undefined,
    masterRxLowerPri: "notify_master_rx_lower_pri" in values ? values.notify_master_rx_lower_pri?.value : undefined,
    any: values.notify?.value,
    priorityChanges: values.notify_priority_changes?.value ?? global.vrrp_notify_priority_changes.value,
    smtpAlert: values.smtp_alert?.value ?? global.smtp_alert_vrrp?.value ?? global.smtp_alert?.value ?? false,
  };
}

export function buildFifos(global: ParsedGlobal): readonly NotifyFifoConfig[] {
  return [
    ...fifo(global.notify_fifo, global.notify_fifo_script, ["vrrp", "lvs"]),
    ...fifo(global.vrrp_notify_fifo, global.vrrp_notify_fifo_script, ["vrrp"]),
    ...fifo(global.lvs_notify_fifo, global.lvs_notify_fifo_script, ["lvs"]),
  ];
}

function fifo(
  written: Written<FifoValue> | undefined,
  script: Written<ScriptCommand> | undefined,
  events: NotifyFifoConfig["events"],
): readonly NotifyFifoConfig[] {
  return written === undefined ? [] : [{ ...written.value, events, script: script?.value }];
}

export function buildMail(global: ParsedGlobal): MailConfig | undefined {
  const to = global.notification_email.flatMap(({ value }) => value.map(({ text }) => text));
  if (to.length === 0) return undefined;
  return {
    to,
    from: global.notification_email_from?.value,
    server: global.smtp_server.value.host,
    port: global.smtp_server.value.port,
    heloName: global.smtp_helo_name?.value,
    connectTimeout: global.smtp_connect_timeout.value,
    noFaults: global.no_email_faults !== undefined,
  };
}

export function timedScript(
  command: Written<ScriptCommand> | undefined,
  timeoutSec: WrittenOrDefault<number>,
): TimedScript | undefined {
  return command === undefined ? undefined : { command: command.value, timeout: seconds(timeoutSec.value) };
}
