/** Kicks that come in by HTTP: what the server asks the daemon, and how a request ends. */

export type KickOutcome = "kicked" | "refused" | "unauthorized" | "notFound" | "methodNotAllowed" | "tooMuch";

export interface KickAnswers {
  /**
   * @param services names as an operator writes them; empty = all
   * @param source who asks, for the log
   */
  kick(
    services: readonly string[],
    source: string,
  ): { readonly ok: true; readonly lines: readonly string[] } | { readonly ok: false; readonly error: string };
  /** Each request ends in one of these. */
  answered(outcome: KickOutcome): void;
}
