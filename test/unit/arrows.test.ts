import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { projectRoot } from "../lab/root.ts";
import { type SourceFile, violations } from "./arrows.ts";

const source = join(projectRoot, "src");
const files: SourceFile[] = readdirSync(source, { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".ts"))
  .map((path) => ({ path, text: readFileSync(join(source, path), "utf8") }));

test("the sources keep to the arrows", () => {
  expect(files.length).toBeGreaterThan(50);
  expect(violations(files)).toEqual([]);
});

describe("the rules see", () => {
  test("files that need each other, by way of others too", () => {
    const circle = [
      { path: "health/a.ts", text: 'import { b } from "./b.ts";' },
      { path: "health/b.ts", text: 'import {\n  type D,\n  c,\n} from "./c.ts";' },
      { path: "health/c.ts", text: 'export * from "./a.ts";' },
    ];
    expect(violations(circle)).toEqual(["health/a.ts needs health/b.ts needs health/c.ts needs health/a.ts: a circle"]);
    const types = circle.map(({ path, text }) => ({ path, text: text.replace("export *", "import type { A }") }));
    expect(violations(types)).toEqual([]);
  });

  const found = (path: string, text: string): string[] => violations([{ path, text }]);

  test.each([
    ["vrrp/a.ts", 'import { readFile } from "node:fs/promises";', "vrrp is pure"],
    ["core/a.ts", 'import { Buffer } from "node:buffer";', "core is pure"],
    ["config/a.ts", 'import pino from "pino";', "config is pure"],
    ["health/a.ts", "const now = Date.now();", "must not use Date"],
    ["plan/a.ts", "setTimeout(run, 5);", "must not use setTimeout"],
    ["vrrp/a.ts", "return Math.random();", "must not use Math.random"],
    ["core/a.ts", 'export * from "../wire/vrrp.ts";', "core must not import wire/vrrp.ts"],
    [
      "wire/netlink/a.ts",
      'import type { Config } from "../../config/types.ts";',
      "wire must not import config/types.ts",
    ],
    ["daemon/a.ts", 'import { openTable } from "../io/ipvsTable.ts";', "daemon must not import io/ipvsTable.ts"],
    ["daemon/a.ts", 'import {\n  request,\n} from "undici";', "only io imports undici"],
    ["cli/a.ts", 'const fs = await import("node:fs");', "only io imports node:fs"],
    ["workers/vrrp/a.ts", 'const addon = require("x"); import "../../build/Release/holdfast.node";', "only io loads"],
    ["daemon/a.ts", 'import { Driver } from "../workers/vrrp/driver.ts";', "the worker's own"],
    ["cli/a.ts", 'new Worker(new URL("../workers/vrrp/worker.ts", import.meta.url));', "the worker's own"],
    [
      "workers/vrrp/a.ts",
      'import { Daemon } from "../../daemon/daemon.ts";',
      "workers must not import daemon/daemon.ts",
    ],
    ["cli/a.ts", "process.exit(1);", "only main.ts ends the process"],
    ["elsewhere/a.ts", 'import { x } from "../core/ip.ts";', "src/elsewhere has no arrows"],
    ["io/a.ts", "\n".repeat(400).concat("x"), "401 lines"],
  ])("%s: %s", (path, text, words) => {
    expect(found(path, text).join("\n")).toContain(words);
  });

  test.each([
    ["wire/a.ts", 'import { Buffer } from "node:buffer";'],
    ["io/a.ts", 'import { request } from "undici"; import "node:fs";'],
    [
      "core/a.ts",
      '/** Not Date.now(): see "node:fs". */\n// import x from "node:fs"; process.exit(1)\nconst a = "Date.now()";',
    ],
    ["cli/a.ts", "process.exitCode = 1;"],
    ["wire/a.ts", 'const range = ["from", "to"];'],
    ["cli/a.ts", 'import { VrrpWorkerHandle } from "../workers/vrrp/handle.ts";'],
    ["main.ts", "process.exit(code);"],
    ["daemon/a.ts", 'import type { VrrpHandle } from "../workers/vrrp/handle.types.ts";'],
  ])("nothing wrong in %s: %s", (path, text) => {
    expect(found(path, text)).toEqual([]);
  });
});
