import type { TcpCheckConfig } from "../../config/check.types.ts";
import type { Attempt } from "./attempt.ts";
import { connectTo, type SocketOpener } from "./path.ts";

/**
 * TCP_CHECK: up when the connection is established within connect_timeout. Nothing is sent; the connection is closed by an
 * orderly FIN, so that a PostgreSQL behind it logs no reset, except with `bind_port`: the port is free at once only after a reset.
 */
export function runTcpCheck(check: TcpCheckConfig, attempt: Attempt, addon: () => SocketOpener): void {
  const socket = connectTo(check, addon);
  attempt.onEnd(() => socket.destroy());
  socket.once("connect", () => attempt.settle({ kind: "connected" }));
  socket.on("error", (error) => attempt.fail(error));
}
