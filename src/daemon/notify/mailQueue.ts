import type { MailMessage, MailSender, MailServer } from "../../core/notify.ts";
import type { EventLog } from "../events.ts";

export interface MailStatus {
  readonly sent: number;
  readonly failed: number;
  readonly dropped: number;
  readonly waiting: number;
  readonly lastFailure: { readonly atMs: number; readonly subject: string; readonly detail: string } | undefined;
}

/** A mail server that is away must not fill our memory: the oldest are given up. */
const WAITING_MAX = 64;

/** Mails one after the other. One that cannot be sent is a line in the log and a counter: the next has news of its own. */
export class MailQueue {
  readonly #sender: MailSender;
  readonly #events: EventLog;
  readonly #wallMs: () => number;
  readonly #waiting: { readonly server: MailServer; readonly message: MailMessage }[] = [];
  #sending = false;
  #sent = 0;
  #failed = 0;
  #dropped = 0;
  #lastFailure: MailStatus["lastFailure"];
  #idle: (() => void)[] = [];

  constructor(modules: { readonly sender: MailSender; readonly events: EventLog; readonly wallMs: () => number }) {
    this.#sender = modules.sender;
    this.#events = modules.events;
    this.#wallMs = modules.wallMs;
  }

  push(server: MailServer, message: MailMessage): void {
    this.#waiting.push({ server, message });
    if (this.#waiting.length > WAITING_MAX) {
      const oldest = this.#waiting.shift();
      this.#dropped += 1;
      this.#events.record("error", "mailDropped", `a mail is not sent, too many wait: ${oldest?.message.subject}`, {});
    }
    if (!this.#sending) void this.#send();
  }

  status(): MailStatus {
    return {
      sent: this.#sent,
      failed: this.#failed,
      dropped: this.#dropped,
      waiting: this.#waiting.length,
      lastFailure: this.#lastFailure,
    };
  }

  async drained(): Promise<void> {
    if (this.#sending) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  async #send(): Promise<void> {
    this.#sending = true;
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      try {
        await this.#sender.send(next.server, next.message);
        this.#sent += 1;
      } catch (error) {
        const detail = error instanceof Error ? error.message : String(error);
        this.#failed += 1;
        this.#lastFailure = { atMs: this.#wallMs(), subject: next.message.subject, detail };
        this.#events.record(
          "warn",
          "mailFailed",
          `mail not sent by ${next.server.server}: ${detail}: ${next.message.subject}`,
          {
            subject: next.message.subject,
            server: next.server.server,
            port: next.server.port,
          },
        );
      }
    }
    this.#sending = false;
    for (const resolve of this.#idle.splice(0)) resolve();
  }
}
