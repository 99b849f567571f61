import type { DurationUs } from "../../../core/units.ts";
import { switchable, timer, userAndGroup } from "../kinds.ts";
import { blockTable, MAN, type ValueRow } from "../row.ts";
import { scriptAlone } from "../scripts.ts";
import { miscTimingRows } from "../timing.ts";
import { commonRows } from "./connection.ts";

/** MISC_CHECK */

const value = { shape: "value", status: "implemented", reference: MAN, reload: "live" } as const;

export const miscCheckTable = blockTable("MISC_CHECK", {
  ...commonRows,
  ...miscTimingRows,
  misc_path: {
    ...value,
    kind: scriptAlone,
    doc: "Program to run, with its arguments in one pair of quotes; no shell reads them. It runs without holdfast's capabilities, and one that would run as root is refused under `enable_script_security` where others may write it.",
    example: 'misc_path "/usr/local/bin/check.sh 5432"',
  } satisfies ValueRow<readonly string[]>,
  misc_timeout: {
    ...value,
    kind: timer({ minSec: 0.001, maxSec: 4294.967295 }),
    defaultFrom: "delay_loop",
    doc: "Time allowed for the program; it is then killed with its children, and the check has failed.",
    example: "misc_timeout 5",
  } satisfies ValueRow<DurationUs>,
  connect_timeout: {
    ...value,
    status: "noEffect",
    reload: "none",
    reason: "a program connects to nothing; its time is misc_timeout",
    kind: timer({ minSec: 0.001, maxSec: 4294.967295 }),
    doc: "Time allowed for a connection.",
    example: "connect_timeout 5",
  } satisfies ValueRow<DurationUs>,
  misc_dynamic: {
    ...value,
    kind: switchable,
    default: false,
    doc: "An exit status from 2 to 255 passes and sets the server's weight to two less; of several checks that set weights what each adds to the configured weight is added. Without it every status but 0 has failed.",
    example: "misc_dynamic",
  } satisfies ValueRow<boolean>,
  user: {
    ...value,
    kind: userAndGroup,
    defaultFrom: "script_user",
    doc: "User and group that the program runs as.",
    example: "user nobody nogroup",
  } satisfies ValueRow<{ readonly user: string; readonly group: string | undefined }>,
});
