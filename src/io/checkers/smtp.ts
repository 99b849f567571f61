import type { SMTPError } from "nodemailer/lib/smtp-connection";
import type { SmtpCheckConfig } from "../../config/check.types.ts";
import { toMilliseconds } from "../../core/units.ts";
import type { ProbeOutcome } from "../../health/types.ts";
import type { Attempt } from "./attempt.ts";
import { connectTo, type SocketOpener } from "./path.ts";

/**
 * SMTP_CHECK: greeting, EHLO (HELO where that is refused), QUIT, by nodemailer's client over a connection of ours. Nothing is
 * encrypted and no mail is sent.
 */
export function runSmtpCheck(check: SmtpCheckConfig, attempt: Attempt, addon: () => SocketOpener): void {
  const socket = connectTo(check, addon);
  attempt.onEnd(() => socket.destroy());
  socket.on("error", (error) => attempt.fail(error));
  socket.once("connect", () => {
    converse().catch((error: unknown) => attempt.fail(error));
  });

  async function converse(): Promise<void> {
    const { default: Connection } = await import("nodemailer/lib/smtp-connection");
    if (attempt.settled) return;
    // Our deadline comes first, always: its timers are there in case that we forget a connection.
    const limitMs = 2 * toMilliseconds(check.timing.connectTimeout) + 1_000;
    const timeouts = { connectionTimeout: limitMs, greetingTimeout: limitMs, socketTimeout: limitMs };
    const connection = new Connection({ connection: socket, name: check.heloName, ignoreTLS: true, ...timeouts });
    attempt.onEnd(() => {
      connection.close();
      socket.destroy();
    });
    connection.on("error", (error: SMTPError) => attempt.settle(outcomeOf(error)));
    connection.connect((error) => {
      // A connection that ends before the greeting is told here.
      if (error !== undefined) {
        attempt.settle(outcomeOf(error));
        return;
      }
      const reply = replyOf(connection.lastServerResponse || "");
      connection.quit();
      attempt.settle(reply ?? { kind: "malformed", detail: "no reply to HELO" });
    });
  }
}

/** Of a reply of several lines the last one. */
function replyOf(response: string): ProbeOutcome | undefined {
  const [, code, text = ""] = /^(\d{3})(?: (.*))?$/.exec(response.trimEnd().split(/\r?\n/).at(-1) ?? "") ?? [];
  return code === undefined ? undefined : { kind: "smtpReply", code: Number(code), text };
}

/** A reply that refuses is what the server says; else the connection ended, or what came is no SMTP. */
function outcomeOf({ code, message, response }: SMTPError): ProbeOutcome {
  const reply = replyOf(response ?? "");
  if (reply !== undefined) return reply;
  return { kind: code === "ECONNECTION" ? "reset" : "malformed", detail: message };
}
