import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
let loaded: typeof import("undici") | undefined;

/** Loaded with the first check that asks by HTTP: over a hundred files, which a host without one starts sooner and smaller without. */
export function undici(): typeof import("undici") {
  loaded ??= require("undici") as typeof import("undici");
  return loaded;
}
