import { connect } from "node:net";

/** What a REST API of Patroni answered. */
export interface RestAnswer {
  readonly status: number;
  readonly body: string;
}

/** One question on a connection of its own. Undefined: no answer of HTTP's within the deadline. */
export function askRest(
  { host, port }: { readonly host: string; readonly port: number },
  path: string,
  deadlineMs: number,
): Promise<RestAnswer | undefined> {
  return new Promise((resolve) => {
    const socket = connect(port, host);
    let text = "";
    const timer = setTimeout(() => socket.destroy(), deadlineMs);
    socket.setEncoding("utf8");
    socket.on("connect", () => socket.write(`GET ${path} HTTP/1.0\r\nHost: ${host}\r\n\r\n`));
    socket.on("data", (data: string) => {
      text += data;
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      clearTimeout(timer);
      const status = /^HTTP\/1\.[01] (\d+)/.exec(text)?.[1];
      const body = text.slice(text.indexOf("\r\n\r\n") + 4);
      resolve(status === undefined ? undefined : { status: Number(status), body });
    });
  });
}
