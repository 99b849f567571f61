/** Small text files that say a number: what `track_file` watches. src/io/track does it. */
export type FileText =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "missing" }
  | { readonly kind: "unreadable"; readonly detail: string };

export interface FileWatch {
  /** `onChange` after every change of the file, its folder's renames included; the returned function ends it. */
  watch(path: string, onChange: () => void): () => void;
  /** The beginning of the file: a number needs no more. */
  read(path: string): FileText;
  /** Creates the file, or with `overwrite` replaces what is in it; false = it was there already. Throws what the system refuses. */
  initialize(path: string, text: string, overwrite: boolean): boolean;
}
