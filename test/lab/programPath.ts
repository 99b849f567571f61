import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** PATH with the folders of administrators' programs, which not every user has in it. */
export const searchPath: string = [process.env.PATH ?? "", "/usr/local/sbin", "/usr/sbin", "/sbin"].join(delimiter);

/** The full path of a program, or undefined when there is none. */
export function findProgram(name: string): string | undefined {
  return searchPath
    .split(delimiter)
    .filter((folder) => folder !== "")
    .map((folder) => join(folder, name))
    .find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
