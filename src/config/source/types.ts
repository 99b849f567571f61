import type { Result } from "../../core/result.ts";

/** What a text depends on besides itself. */
export interface SourceEnvironment {
  /** What `@name` lines are compared with: by default the first part of the host's name. */
  readonly configId: string;
  /** Files that a path with wildcards (glob(7), no braces) means, in the order of their names; without wildcards the one that is there. */
  match(pattern: string): readonly string[];
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
