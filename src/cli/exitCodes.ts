/** Exit codes of all commands; systemd/holdfast.service knows them. 1 also is what Node ends with after an uncaught error. */
export const EXIT = {
  ok: 0,
  /** `check`: the file is invalid. `status`, `reload`, `ipvs`: the question has no answer. */
  failed: 1,
  usage: 2,
  /** `run`: the configuration is invalid; starting again does not help. */
  configuration: 3,
  /** `run`: the host lacks something, or another daemon is in the way. */
  host: 4,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];
