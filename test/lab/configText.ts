import { type Config, parseConfig } from "../../src/config/index.ts";

/** The configuration that a text means. Throws with the findings where it is refused. */
export function configFrom(text: string): Config {
  const { config, diagnostics } = parseConfig(text, "test.conf");
  if (config === undefined) throw new Error(JSON.stringify(diagnostics));
  return config;
}
