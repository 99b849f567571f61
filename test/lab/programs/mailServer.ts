/** `node mailServer.js ADDRESS PORT`: takes every mail by SMTP (RFC 5321) and keeps none; one JSON line for each. */
import { createServer } from "node:net";

export interface MailLine {
  readonly from: string;
  readonly to: readonly string[];
  /** Header and body as they were sent. */
  readonly text: string;
}

const [address = "", port = ""] = process.argv.slice(2);

createServer((socket) => {
  let from = "";
  let to: string[] = [];
  let text: string[] | undefined;
  let pending = "";
  const say = (words: string): void => void socket.write(`${words}\r\n`);
  const take = (line: string): void => {
    if (text !== undefined) {
      if (line !== ".") {
        text.push(line);
        return;
      }
      process.stdout.write(`${JSON.stringify({ from, to, text: text.join("\n") } satisfies MailLine)}\n`);
      text = undefined;
      to = [];
      say("250 taken");
      return;
    }
    const [, sender] = /^MAIL FROM:<(.*)>/i.exec(line) ?? [];
    const [, receiver] = /^RCPT TO:<(.*)>/i.exec(line) ?? [];
    if (sender !== undefined) from = sender;
    if (receiver !== undefined) to.push(receiver);
    if (line === "DATA") text = [];
    say(line === "DATA" ? "354 go on" : line === "QUIT" ? "221 bye" : "250 ok");
  };
  socket.setEncoding("utf8");
  socket.on("error", () => socket.destroy());
  socket.on("data", (chunk: string) => {
    const lines = (pending + chunk).split("\r\n");
    pending = lines.pop() ?? "";
    for (const line of lines) take(line);
  });
  say("220 mail.example.org");
}).listen(Number(port), address, () => process.stderr.write("listening\n"));
