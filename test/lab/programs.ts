/** Starting the lab's small programs (test/lab/programs) in a namespace and reading their JSON lines. */
import { join } from "node:path";
import type { Namespace } from "./netns.ts";
import type { RunningProcess } from "./processes.ts";
import type { BareProbeLine } from "./programs/bareProbe.ts";
import type { InsertLine } from "./programs/inserts.ts";
import type { MailLine } from "./programs/mailServer.ts";
import type { ReadLine } from "./programs/reads.ts";
import type { RestRound } from "./programs/restRecord.ts";
import type { RestLine } from "./programs/restWatch.ts";
import type { SessionLine } from "./programs/sessions.ts";
import type { TableFigures, TableLine } from "./programs/tableWatch.ts";
import { projectRoot } from "./root.ts";

export interface ProgramLines {
  readonly bareProbe: BareProbeLine;
  readonly inserts: InsertLine;
  readonly mailServer: MailLine;
  readonly reads: ReadLine;
  readonly restRecord: RestRound;
  readonly restWatch: RestLine;
  readonly sessions: SessionLine;
  readonly tableWatch: TableFigures | TableLine;
}

export type ProgramName = keyof ProgramLines;

/** A running program and what it has told so far. */
export class Program<Name extends ProgramName> {
  readonly process: RunningProcess;
  readonly #lines: ProgramLines[Name][] = [];
  /** How much of the output stands in `#lines`. */
  #readTo = 0;

  constructor(running: RunningProcess) {
    this.process = running;
  }

  /** Every complete line so far. Each is parsed once: waiting for a line must not take the processor from what is measured. */
  lines(): readonly ProgramLines[Name][] {
    const output = this.process.stdout;
    for (let end = output.indexOf("\n", this.#readTo); end >= 0; end = output.indexOf("\n", this.#readTo)) {
      this.#lines.push(JSON.parse(output.slice(this.#readTo, end)) as ProgramLines[Name]);
      this.#readTo = end + 1;
    }
    return this.#lines;
  }

  /** Ends it and returns all of its lines. */
  async stop(): Promise<readonly ProgramLines[Name][]> {
    await this.process.stop();
    return this.lines();
  }
}

/** Starts `test/lab/programs/NAME` (as compiled) in a namespace. */
export async function startProgram<Name extends ProgramName>(
  namespace: Namespace,
  name: Name,
  args: readonly (string | number)[],
): Promise<Program<Name>> {
  const file = join(projectRoot, "dist-test/test/lab/programs", `${name}.js`);
  const options = { name: `${name} in ${namespace.name}` };
  return new Program<Name>(await namespace.start(process.execPath, [file, ...args.map(String)], options));
}
