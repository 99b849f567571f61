import type { Logger } from "../../src/core/interfaces.ts";

/** A logger that keeps what it was told, in order. */
export function recordingLogger(): { readonly logger: Logger; readonly messages: string[] } {
  const messages: string[] = [];
  const add = (_fields: object, message: string): void => void messages.push(message);
  const logger: Logger = { error: add, warn: add, info: add, debug: add, child: () => logger };
  return { logger, messages };
}
