import type { NotifyConfig, ScriptCommand } from "../../config/vrrp.types.ts";
import { assertNever } from "../../core/errors.ts";
import type { Evidence, StateName, TransitionReason } from "../../vrrp/types.ts";

/** keepalived's words for what a script, a FIFO or a mail is told (keepalived.conf(5), vrrp_sync_group). */
export type NotifyState = "MASTER" | "BACKUP" | "FAULT" | "STOP" | "DELETED";

/** Why: a transition's reason, or what is no transition. */
export type NotifyReason = TransitionReason | "removedByReload";

/** One thing that is told: by scripts, FIFOs and mail alike. */
export interface Occasion {
  readonly subject: "INSTANCE" | "GROUP";
  readonly name: string;
  readonly state: NotifyState;
  /** Effective priority; of a group 0, as keepalived says it. */
  readonly priority: number;
  readonly from: StateName | undefined;
  readonly reason: NotifyReason;
  readonly evidence: Evidence;
}

/** The four arguments behind a `notify` script's own. */
export function notifyArguments({ subject, name, state, priority }: Occasion): string[] {
  return [subject, name, state, String(priority)];
}

export function fifoLine({
  subject,
  name,
  state,
  priority,
}: Pick<Occasion, "subject" | "name" | "state" | "priority">): string {
  return `${subject} "${name}" ${state} ${priority}\n`;
}

/** MASTER_RX_LOWER_PRI, MASTER_PRIORITY and BACKUP_PRIORITY are told by FIFO alone. */
export function instanceFifoLine(
  name: string,
  what: "MASTER_RX_LOWER_PRI" | "MASTER_PRIORITY" | "BACKUP_PRIORITY",
  priority: number,
): string {
  return `INSTANCE "${name}" ${what} ${priority}\n`;
}

/** What keepalived does not tell: scripts written for it see no difference. */
export function notifyEnvironment(
  told: Pick<Occasion, "from" | "evidence"> & { readonly reason: NotifyReason | "lowerPriorityHeard" },
): Record<string, string> {
  return {
    HOLDFAST_REASON: told.reason,
    HOLDFAST_EVIDENCE: JSON.stringify(told.evidence),
    ...(told.from === undefined ? {} : { HOLDFAST_FROM: told.from }),
  };
}

export interface NotifyCall {
  /** The keyword. */
  readonly keyword: string;
  readonly command: ScriptCommand;
  /** Behind the command's own. */
  readonly added: readonly string[];
}

/** The scripts of one occasion in their order: the one of the state, then `notify`, which is told what happened. */
export function callsFor(notify: NotifyConfig, occasion: Occasion): NotifyCall[] {
  const [keyword, command] = stateScript(notify, occasion.state);
  const calls: NotifyCall[] = [];
  if (command !== undefined) calls.push({ keyword, command, added: [] });
  if (notify.any !== undefined)
    calls.push({ keyword: "notify", command: notify.any, added: notifyArguments(occasion) });
  return calls;
}

function stateScript(notify: NotifyConfig, state: NotifyState): readonly [string, ScriptCommand | undefined] {
  switch (state) {
    case "MASTER":
      return ["notify_master", notify.master];
    case "BACKUP":
      return ["notify_backup", notify.backup];
    case "FAULT":
      return ["notify_fault", notify.fault];
    case "STOP":
      return ["notify_stop", notify.stop];
    case "DELETED":
      return ["notify_deleted", notify.deleted];
    default:
      return assertNever(state);
  }
}

/** Every script of a definition, for whoever examines them beforehand. */
export function notifyScripts(notify: NotifyConfig): NotifyCall[] {
  const { master, backup, fault, stop, deleted, masterRxLowerPri, any } = notify;
  const named: Record<string, ScriptCommand | undefined> = {
    ...{ notify_master: master, notify_backup: backup, notify_fault: fault, notify_stop: stop },
    ...{ notify_deleted: deleted, notify_master_rx_lower_pri: masterRxLowerPri, notify: any },
  };
  return Object.entries(named).flatMap(([keyword, command]) =>
    command === undefined ? [] : [{ keyword, command, added: [] }],
  );
}
