import { EventEmitter } from "node:events";
import { createServer } from "node:net";
import { expect, test, vi } from "vitest";
import type { SmtpCheckConfig } from "../../src/config/check.types.ts";
import { ip } from "../../src/core/ip.ts";
import type { ProbeOutcome } from "../../src/health/types.ts";
import { Attempt } from "../../src/io/checkers/attempt.ts";
import { runSmtpCheck } from "../../src/io/checkers/smtp.ts";
import { timing } from "./checkersRig.ts";

vi.mock("nodemailer/lib/smtp-connection", () => ({
  default: class extends EventEmitter {
    constructor() {
      super();
      throw new Error("this client cannot be made");
    }
  },
}));

test("an SMTP client that cannot be made is an outcome at once, and no unhandled rejection", async () => {
  const server = createServer((socket) => socket.on("error", () => undefined));
  const port = await new Promise<number>((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve((server.address() as { port: number }).port));
  });
  try {
    const check: SmtpCheckConfig = {
      ...{ kind: "SMTP_CHECK", connectIp: ip("127.0.0.1"), connectPort: port, heloName: "checker.example" },
      timing: timing(5_000),
    };
    const outcome = await new Promise<ProbeOutcome>((done) => {
      const attempt = new Attempt(check.timing, { running: new Set(), done });
      runSmtpCheck(check, attempt, () => {
        throw new Error("not asked here");
      });
    });
    expect(JSON.stringify(outcome)).toContain("this client cannot be made");
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
});
