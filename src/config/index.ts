/** The configuration language's front door. Pure: the text is read by `io`, facts about the host come in as a value. */
export { formatDiagnostic } from "./diagnostics.ts";
export { CONFIG_LIMIT_BYTES, parseConfig } from "./parseConfig.ts";
export { referencePage } from "./reference.ts";
export { isExclusive, type ServiceTiming, serviceTiming } from "./timing.ts";
export type * from "./types.ts";
export { validate } from "./validate.ts";
