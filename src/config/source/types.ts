import type { Result } from "../../core/result.ts";

/** Paths beyond this are no configuration, and a pattern over all of a disk is a mistake. */
export const MATCHES_MAX = 4_096;

/** What a text depends on besides itself. */
export interface SourceEnvironment {
  /** What `@name` lines are compared with: by default the first part of the host's name. */
  readonly configId: string;
  /** Files that a path with wildcards (glob(7), no braces) means, in the order of their names; without wildcards the one that is there. Undefined: more than `MATCHES_MAX`. */
  match(pattern: string): readonly string[] | undefined;
  read(file: string): Result<string, { readonly code: string; readonly message: string; readonly remedy: string }>;
}

/** No other files, and no name. */
export const ALONE: SourceEnvironment = {
  configId: "",
  match: () => [],
  read: (file) => {
    throw new Error(`${file} is not there`);
  },
};
