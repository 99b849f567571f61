import type { Us } from "../core/units.ts";
import { judge } from "./judge.ts";
import { interpretFile } from "./replyFindings.ts";
import type { ServiceState } from "./state.ts";

/**
 * FILE_CHECK: its value comes when the file changes, and no probe is asked. Takes the values of track files into the checks
 * that follow them; false where a service has none of them.
 */
export function judgeFiles(service: ServiceState, values: ReadonlyMap<string, number | undefined>, now: Us): boolean {
  let judged = false;
  if (service.suspended) return judged;
  for (const server of service.servers) {
    for (const check of server.checks) {
      if (check.config.kind !== "FILE_CHECK") continue;
      const value = values.get(check.config.file);
      if (value === undefined) continue;
      const finding = interpretFile(check.config, value);
      judge(
        check,
        server,
        { exclusive: service.exclusive, held: false, opening: false, patroniSpeaks: false },
        finding,
        now,
        now,
      );
      judged = true;
    }
  }
  return judged;
}
