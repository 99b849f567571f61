/** The host's processes as `vrrp_track_process` sees them: what src/io/track finds and src/daemon/track judges. */
export interface ProcessFacts {
  readonly id: number;
  /** /proc/PID/comm: at most 15 bytes, each a character (Latin-1). */
  readonly name: string;
  /** /proc/PID/cmdline, where it was asked for; empty for kernel threads. Bytes as characters, as above. */
  readonly commandLine: readonly string[];
}

/** How changes are learned: from the kernel's process connector, or by looking every second. */
export type ProcessWatchMode = "events" | "polling";

export interface ProcessWatch {
  /** `onChange` whenever something may have changed; `processes` has it then. */
  start(options: { readonly commandLines: boolean; readonly onChange: () => void }): void;
  processes(): Iterable<ProcessFacts>;
  mode(): ProcessWatchMode;
  /** Why it is polling, in words. */
  whyPolling(): string | undefined;
  stop(): void;
}
