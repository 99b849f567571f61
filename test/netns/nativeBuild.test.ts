import { execFile } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { projectRoot } from "../lab/root.ts";

const run = promisify(execFile);
const NODE_24 = join(projectRoot, ".cache/node24");
const PLATFORM = `${process.platform}-${process.arch}`;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "holdfast-build-"));
  for (const part of ["native", "binding.gyp", "package.json"]) {
    cpSync(join(projectRoot, part), join(folder, part), { recursive: true });
  }
  symlinkSync(join(projectRoot, "node_modules"), join(folder, "node_modules"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** npm's package of Node 24, which carries its headers; kept in .cache. */
async function node24(): Promise<string> {
  const node = join(NODE_24, `node_modules/node-${PLATFORM}/bin/node`);
  if (!existsSync(node)) {
    mkdirSync(NODE_24, { recursive: true });
    // Without scripts: the one of the package `node` only copies this program.
    await run("npm", [
      "install",
      "--prefix",
      NODE_24,
      "--ignore-scripts",
      "--no-audit",
      "--no-fund",
      `node-${PLATFORM}@24`,
    ]);
  }
  return node;
}

/** As npm would, but with nothing of this machine: an empty home, and settings that point nowhere. */
async function build(node: string): Promise<{ readonly stdout: string; readonly stderr: string }> {
  const home = join(folder, "home");
  rmSync(home, { recursive: true, force: true });
  mkdirSync(home);
  const npm = (await run("npm", ["root", "--global"])).stdout.trim();
  const env = {
    PATH: process.env.PATH,
    HOME: home,
    npm_config_node_gyp: join(npm, "npm/node_modules/node-gyp/bin/node-gyp.js"),
    npm_config_nodedir: "/nowhere",
    npm_config_target: "0.10.0",
    npm_config_disturl: "http://127.0.0.1:9/",
    npm_package_config_node_gyp_nodedir: "/nowhere",
  };
  return await run(node, ["native/build.mjs"], { cwd: folder, env, maxBuffer: 16 << 20 });
}

const SMOKE = `
  const addon = require(process.argv[1]);
  const socket = addon.openSocket(addon.constants.AF_NETLINK, addon.constants.SOCK_RAW, addon.constants.NETLINK_ROUTE);
  const request = Buffer.alloc(20);
  request.writeUInt32LE(20, 0);
  request.writeUInt16LE(addon.constants.RTM_GETLINK, 4);
  request.writeUInt16LE(addon.constants.NLM_F_REQUEST | addon.constants.NLM_F_DUMP, 6);
  const timer = addon.openTimer(() => { socket.send(request, 0, 20, undefined); timer.close(); });
  socket.startReceiving(8, 65536, ([message]) => {
    socket.close();
    console.log(process.versions.node.split(".")[0], message.data.readUInt16LE(4) === addon.constants.RTM_NEWLINK);
  }, (error) => { throw error; });
  timer.arm(addon.monotonicUs() + 1000);
`;
const smoke = async (node: string, file: string): Promise<string> =>
  (await run(node, ["-e", SMOKE, file])).stdout.trim();

test("the addon is built with the headers of the running Node, without warnings, from an empty home; the binary runs on Node 24", async () => {
  const { stdout, stderr } = await build(process.execPath);
  expect(stdout + stderr).not.toMatch(/warning:/i);
  const file = join(folder, "build/Release/holdfast.node");
  const own = process.versions.node.split(".")[0];
  expect(await smoke(process.execPath, file)).toBe(`${own} true`);
  expect(await smoke(await node24(), file)).toBe("24 true");
});

test("built by Node 24, it takes the headers of Node 24, without warnings, and runs on this Node", async () => {
  const node = await node24();
  const { stdout, stderr } = await build(node);
  expect(stdout + stderr).not.toMatch(/warning:/i);
  expect(readFileSync(join(folder, "build/config.gypi"), "utf8")).toContain(
    join(NODE_24, "node_modules", `node-${PLATFORM}`),
  );
  const file = join(folder, "build/Release/holdfast.node");
  const own = process.versions.node.split(".")[0];
  expect(await smoke(process.execPath, file)).toBe(`${own} true`);
  expect(await smoke(node, file)).toBe("24 true");
});

test("a Node without headers is told what is missing and where", async () => {
  const bin = join(folder, "bare/bin");
  mkdirSync(bin, { recursive: true });
  copyFileSync(process.execPath, join(bin, "node"));
  chmodSync(join(bin, "node"), 0o755);
  const failure = await run(join(bin, "node"), ["native/build.mjs"], { cwd: folder }).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: 1 });
  expect(String((failure as { stderr: string }).stderr)).toContain(join(folder, "bare/include/node"));
});

test("a missing and a broken addon are clear errors with a remedy", async () => {
  const loader = (root: string): Promise<unknown> =>
    run(process.execPath, [
      "--input-type=module",
      "-e",
      `(await import(${JSON.stringify(join(root, "dist/io/addon.js"))})).loadAddon()`,
    ]);
  const root = join(folder, "installed");
  mkdirSync(join(root, "build/Release"), { recursive: true });
  writeFileSync(join(root, "package.json"), '{"type":"module"}');
  await run(process.execPath, [
    join(projectRoot, "node_modules/typescript/bin/tsc"),
    "-p",
    join(projectRoot, "tsconfig.json"),
    "--outDir",
    join(root, "dist"),
  ]);
  const missing = await loader(root).catch((error: { stderr: string }) => error.stderr);
  expect(missing).toContain("addonMissing");
  expect(missing).toContain("npm ci");
  writeFileSync(join(root, "build/Release/holdfast.node"), "no library");
  const broken = await loader(root).catch((error: { stderr: string }) => error.stderr);
  expect(broken).toContain("addonUnusable");
  expect(broken).toContain("npm ci");
});
