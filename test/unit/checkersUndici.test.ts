import { afterEach, expect, test, vi } from "vitest";
import { ip } from "../../src/core/ip.ts";
import { loadAddon } from "../../src/io/addon.ts";
import { createCheckers } from "../../src/io/checkers/index.ts";
import { noScripts, probeWith, timing } from "./checkersRig.ts";

vi.mock("../../src/io/checkers/undici.ts", () => ({
  undici: () => {
    throw new Error("Cannot find module 'undici'");
  },
}));

const checkers = createCheckers({ addon: loadAddon, scripts: noScripts });
afterEach(() => checkers.close());

test("where undici is gone (the program's folder was replaced) an HTTP check cannot run, and the daemon goes on", async () => {
  const urls = [{ path: "/", statusCodes: [{ from: 200, to: 200 }] }];
  const outcome = await probeWith(checkers, {
    ...{ kind: "HTTP_GET", connectIp: ip("127.0.0.9"), connectPort: 1 },
    ...{ urls, timing: timing(5_000) },
  });
  expect(outcome).toEqual({ kind: "cannotRun", detail: "Cannot find module 'undici'" });
});
