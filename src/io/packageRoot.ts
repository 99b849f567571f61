import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

/** The folder of our package.json, from any folder below it: code runs from src, dist and dist-test alike. */
export function packageRoot(from: string): string {
  let folder = from;
  while (!existsSync(join(folder, "package.json"))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error(`no package.json above ${from}`);
    folder = parent;
  }
  return folder;
}
