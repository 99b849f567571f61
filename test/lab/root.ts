import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

/** The checkout's folder, found from the source files as well as from the compiled ones in dist-test. */
export const projectRoot: string = findRoot(import.meta.dirname);

function findRoot(folder: string): string {
  if (existsSync(join(folder, "package.json"))) return folder;
  const parent = dirname(folder);
  if (parent === folder) throw new Error(`no package.json above ${import.meta.dirname}`);
  return findRoot(parent);
}
