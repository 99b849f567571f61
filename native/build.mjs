/**
 * npm's `install` script: builds build/Release/holdfast.node with the headers of the Node that runs this file.
 *
 * Nothing is downloaded, and nothing of the machine's npm configuration decides: npm hands every setting on as
 * `npm_config_*`, node-gyp lets those win over its own command line (a foreign `nodedir`, `target` or `disturl` would),
 * so they are removed from its environment.
 */
import { spawnSync } from "node:child_process";
import { existsSync, realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";

const root = dirname(import.meta.dirname);

function fail(message) {
  process.stderr.write(`holdfast: the native addon was not built: ${message}\n`);
  process.exit(1);
}

/**
 * The folder whose include/node holds the headers of this Node: the one above its `bin` for official builds and
 * distributions. npm's package `node` copies the program out of the package that holds the headers.
 */
function headersOfThisNode() {
  const prefix = dirname(dirname(realpathSync(process.execPath)));
  const folders = [prefix, join(prefix, "node_modules", `node-${process.platform}-${process.arch}`)];
  // common.gypi too: node-gyp reads it.
  const needed = ["node_api.h", "uv.h", "common.gypi"];
  const found = folders.find((folder) => needed.every((name) => existsSync(join(folder, "include", "node", name))));
  if (found === undefined) {
    fail(
      `the headers of Node ${process.version} (${process.execPath}) are missing: no ${needed.join(", ")} in ` +
        `${folders.map((folder) => join(folder, "include", "node")).join(" or ")}. Install them (some distributions have ` +
        "them in a package of their own, such as nodejs-devel or libnode-dev), or use an official build of Node.",
    );
  }
  return found;
}

/** npm names the node-gyp that it brings along; beside npm the one in PATH serves. */
function nodeGyp() {
  const named = process.env.npm_config_node_gyp;
  if (named !== undefined && existsSync(named)) return [process.execPath, named];
  const bundled = "node_modules/node-gyp/bin/node-gyp.js";
  const npm = process.env.npm_execpath;
  const candidates = [join(dirname(dirname(process.execPath)), "lib/node_modules/npm", bundled)];
  if (npm !== undefined) candidates.unshift(join(dirname(dirname(npm)), bundled));
  const found = candidates.find((path) => existsSync(path));
  return found === undefined ? ["node-gyp"] : [process.execPath, found];
}

/** The system's python3 first: a `python3` earlier in PATH may be a shim that needs files in the home folder. */
function pythonArguments() {
  if (process.env.npm_config_python !== undefined) return [`--python=${process.env.npm_config_python}`];
  if (process.env.PYTHON !== undefined || !existsSync("/usr/bin/python3")) return [];
  return ["--python=/usr/bin/python3"];
}

function environment() {
  const kept = Object.entries(process.env).filter(([name]) => !/^npm_(config|package_config)_/i.test(name));
  return Object.fromEntries(kept);
}

const headers = createRequire(join(root, "package.json")).resolve("node-addon-api/package.json");
const [command, ...first] = nodeGyp();
const built = spawnSync(
  command,
  [
    ...first,
    "rebuild",
    `--nodedir=${headersOfThisNode()}`,
    ...pythonArguments(),
    "--jobs=max",
    "--",
    // Relative: the generated makefile does not get along with spaces in a path.
    `-Dnode_addon_api_dir=${relative(root, dirname(headers))}`,
  ],
  { cwd: root, stdio: "inherit", env: environment() },
);
if (built.error?.code === "ENOENT") fail("node-gyp was not found; run it by npm (npm ci), which brings it along.");
if (built.error !== undefined) fail(built.error.message);
if (built.status !== 0) {
  fail(
    "the compiler's messages are above. Needed: g++, make and python3, and the kernel's headers " +
      "(Debian: apt-get install build-essential python3 linux-libc-dev).",
  );
}
