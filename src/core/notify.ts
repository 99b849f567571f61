/** Where notifications go besides scripts: what the daemon asks for and src/io/notify does. */
export interface FifoStatus {
  readonly path: string;
  readonly written: number;
  /** Lines that wait for room. */
  readonly waiting: number;
  /** Lines that were given up because nobody read. */
  readonly dropped: number;
  readonly problem: string | undefined;
}

/** A named pipe: a full one never blocks, lines wait in order and the oldest are given up. */
export interface NotifyFifo {
  /** With its line feed. */
  write(line: string): void;
  status(): FifoStatus;
  /** Closes it, and removes it where it was made by us. */
  close(): void;
}

export interface FifoSpec {
  readonly path: string;
  readonly user: string | undefined;
  readonly group: string | undefined;
}

export interface FifoEvents {
  /** The first line of a row that was given up; told once until there is room again. */
  readonly onFull: () => void;
}

export interface MailMessage {
  readonly from: string;
  readonly to: readonly string[];
  readonly subject: string;
  readonly text: string;
}

/** The SMTP server that `global_defs` names. */
export interface MailServer {
  readonly server: string;
  readonly port: number;
  readonly heloName: string;
  readonly timeoutMs: number;
}

export interface MailSender {
  /** Rejects with what the server or the network said, at the latest after a few times the timeout. */
  send(server: MailServer, message: MailMessage): Promise<void>;
}
