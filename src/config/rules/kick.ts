import type { DiagnosticList } from "../diagnostics.ts";
import type { Parsed } from "./rule.ts";

/** Nobody listens without a secret, and a secret without an ear is a mistake. */
export function checkKickRules({ global }: Parsed, found: DiagnosticList): void {
  const { kick_listen: listen, kick_token_file: token } = global;
  const alone = listen === undefined ? token : token === undefined ? listen : undefined;
  if (alone === undefined) return;
  const [what, missing, remedy] =
    listen === undefined
      ? ["kick_token_file", "kick_listen", "add where to listen: kick_listen ADDRESS PORT"]
      : ["kick_listen", "kick_token_file", "add the secret: kick_token_file /etc/holdfast/kick.token"];
  found.error("missing-keyword", alone.at, `${what} has no ${missing} to go with it`, remedy);
}
