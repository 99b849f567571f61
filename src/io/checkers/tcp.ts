import { connect, type Socket } from "node:net";
import type { TcpCheckConfig } from "../../config/check.types.ts";
import { toMilliseconds } from "../../core/units.ts";
import type { ProbeOutcome } from "../../health/types.ts";
import { armDeadline, failureOf, TIMED_OUT } from "./failure.ts";

/**
 * TCP_CHECK: up when the connection is established within connect_timeout. Nothing is sent; the connection is closed by an
 * orderly FIN, so that a PostgreSQL behind it logs no reset.
 * @param sockets holds the socket while the probe runs: whoever destroys it ends the probe
 */
export function runTcpCheck(check: TcpCheckConfig, sockets: Set<Socket>, done: (outcome: ProbeOutcome) => void): void {
  const { connectIp: host, connectPort: port, bindIp } = check;
  const socket = connect({ host, port, ...(bindIp === undefined ? {} : { localAddress: bindIp }) });
  let settled = false;
  const disarm = armDeadline(toMilliseconds(check.timing.connectTimeout), () => settle(TIMED_OUT));
  const settle = (outcome: ProbeOutcome): void => {
    if (settled) return;
    settled = true;
    disarm();
    sockets.delete(socket);
    socket.destroy();
    done(outcome);
  };
  sockets.add(socket);
  socket.once("connect", () => settle({ kind: "connected" }));
  socket.on("error", (error) => settle(failureOf(error)));
}
