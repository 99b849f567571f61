import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, it } from "vitest";

const SOURCES = join(import.meta.dirname, "../../src");

/** Every module that is loaded at run time from this file on; type imports leave nothing behind. */
function loaded(file: string, seen: Set<string> = new Set()): Set<string> {
  if (seen.has(file)) return seen;
  seen.add(file);
  const text = readFileSync(file, "utf8");
  for (const match of text.matchAll(/^(?:import|export) (?!type )[^;]*?from "([^"]+)";/gm)) {
    const [, specifier = ""] = match;
    if (specifier.startsWith(".")) loaded(join(dirname(file), specifier), seen);
    else seen.add(specifier);
  }
  return seen;
}

it("the VRRP thread loads nothing that could keep its event loop from an advert", () => {
  const modules = [...loaded(join(SOURCES, "workers/vrrp/worker.ts"))];
  const outside = modules.filter((name) => !name.startsWith("/")).sort();
  expect(outside).toEqual(["node:buffer", "node:fs", "node:module", "node:path", "node:util", "node:worker_threads"]);
  const folders = new Set(
    modules.filter((name) => name.startsWith(SOURCES)).map((name) => name.slice(SOURCES.length + 1).split("/")[0]),
  );
  expect([...folders].sort()).toEqual(["core", "io", "vrrp", "wire", "workers"]);
});
