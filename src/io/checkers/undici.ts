import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

/** Loaded with the first check that asks by HTTP: over a hundred files, which a host without one starts sooner and smaller without. */
export const undici = (): typeof import("undici") => require("undici");
