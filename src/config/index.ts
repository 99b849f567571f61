/** The configuration language's front door. Pure: the text is read by `io`, facts about the host come in as a value. */
export { diagnosticFormatter, formatDiagnostic } from "./diagnostics.ts";
export { parseConfig } from "./parseConfig.ts";
export { referencePage } from "./reference.ts";
export { CONFIG_LIMIT_BYTES } from "./source/nonText.ts";
export type { SourceEnvironment } from "./source/types.ts";
export { isExclusive, type ServiceTiming, serviceTiming } from "./timing.ts";
export type * from "./types.ts";
export { validate } from "./validate.ts";
