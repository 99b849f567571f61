import type { ControlAnswer, ControlRequest } from "../daemon/control.types.ts";
import { askDaemon, controlSocketPath } from "../io/controlSocket.ts";
import { errorText, type Output } from "./output.ts";

/** The running daemon's positive answer; anything else is told and undefined. */
export async function ask(
  runDirectory: string,
  request: ControlRequest,
  output: Output,
  timeoutMs?: number,
): Promise<Extract<ControlAnswer, { ok: true }> | undefined> {
  try {
    const answer = (await askDaemon(controlSocketPath(runDirectory), request, timeoutMs)) as ControlAnswer;
    if (answer.ok) return answer;
    output.err(`holdfast: ${answer.error}\n`);
  } catch (error) {
    output.err(errorText(error));
  }
  return undefined;
}
