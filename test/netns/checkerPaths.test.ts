import { createServer, type Server } from "node:net";
import { afterEach, expect, test } from "vitest";
import type { TcpCheckConfig } from "../../src/config/check.types.ts";
import { ip } from "../../src/core/ip.ts";
import type { ProbeOutcome } from "../../src/health/types.ts";
import { loadAddon } from "../../src/io/addon.ts";
import { type Checkers, createCheckers } from "../../src/io/checkers/index.ts";
import { LINUX } from "../../src/io/linux.ts";
import { requires } from "../lab/requires.ts";
import { noScripts, probeWith, timing } from "../unit/checkersRig.ts";
import { listening } from "../unit/checkersServers.ts";
import { withHooks } from "./native/wrapSocket.ts";

/** Options of sockets that take rights: seen on the sockets themselves, over the loopback. */
requires("root")("bind_if and fwmark", () => {
  const seen: { readonly device: string; readonly mark: number }[] = [];
  let checkers: Checkers | undefined;
  let server: Server | undefined;

  afterEach(() => {
    checkers?.close();
    server?.close();
    seen.length = 0;
  });

  async function probe(more: Partial<TcpCheckConfig>): Promise<ProbeOutcome> {
    server = createServer((socket) => socket.on("error", () => undefined));
    const port = await listening(server, "127.0.0.9");
    const addon = withHooks(loadAddon(), {
      beforeDetach: (socket) => {
        const text = socket.getOption(LINUX.SOL_SOCKET, LINUX.SO_BINDTODEVICE, 16).toString("latin1");
        const mark = socket.getOption(LINUX.SOL_SOCKET, LINUX.SO_MARK, 4).readUInt32LE(0);
        seen.push({ device: text.split("\0")[0] ?? "", mark });
      },
    });
    checkers = createCheckers({ addon: () => addon, scripts: noScripts });
    const check: TcpCheckConfig = {
      kind: "TCP_CHECK",
      connectIp: ip("127.0.0.9"),
      connectPort: port,
      timing: timing(2_000),
      ...more,
    };
    return probeWith(checkers, check);
  }

  test("are on the socket that connects", async () => {
    expect(await probe({ bindInterface: "lo", firewallMark: 0xffff_fff7 })).toEqual({ kind: "connected" });
    expect(seen).toEqual([{ device: "lo", mark: 0xffff_fff7 }]);
  });

  test("a socket without them is Node's own", async () => {
    expect(await probe({})).toEqual({ kind: "connected" });
    expect(seen).toEqual([]);
  });

  test("an interface that is not there: the check could not run", async () => {
    expect(await probe({ bindInterface: "nosuch0" })).toMatchObject({
      kind: "cannotRun",
      detail: expect.stringContaining("ENODEV"),
    });
  });
});
