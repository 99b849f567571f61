import type { MailMessage, MailSender, MailServer } from "../../core/notify.ts";

/** The whole conversation may take this many times the connect timeout; a server that dribbles would otherwise keep the queue. */
const WHOLE_TIMEOUTS = 3;

/** SMTP by nodemailer, in plain as keepalived speaks it; the library is loaded with the first mail. */
export const smtpSender: MailSender = {
  async send(server: MailServer, message: MailMessage): Promise<void> {
    const { createTransport } = await import("nodemailer");
    const { timeoutMs } = server;
    const transport = createTransport({
      host: server.server,
      port: server.port,
      name: server.heloName,
      secure: false,
      ignoreTLS: true,
      connectionTimeout: timeoutMs,
      greetingTimeout: timeoutMs,
      socketTimeout: timeoutMs,
      dnsTimeout: timeoutMs,
      disableFileAccess: true,
      disableUrlAccess: true,
    });
    let deadline: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      deadline = setTimeout(
        () => reject(new Error(`not accepted within ${(timeoutMs * WHOLE_TIMEOUTS) / 1_000} s`)),
        timeoutMs * WHOLE_TIMEOUTS,
      );
    });
    try {
      await Promise.race([transport.sendMail({ ...message, to: [...message.to], xMailer: "holdfast" }), late]);
    } finally {
      clearTimeout(deadline);
      transport.close();
    }
  },
};
