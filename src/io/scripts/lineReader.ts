/** Lines longer than this are cut; a script that prints more lines than that in one run is cut short and told so. */
const LINE_CHARS_MAX = 1_000;
const LINES_MAX = 100;

/** Text in pieces to lines, bounded: a script cannot fill the log or our memory. */
export class LineReader {
  readonly #onLine: (line: string) => void;
  #pending = "";
  #lines = 0;

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  push(text: string): void {
    const lines = (this.#pending + text).split("\n");
    this.#pending = (lines.pop() ?? "").slice(0, LINE_CHARS_MAX);
    for (const line of lines) this.#tell(line);
  }

  /** What stands behind the last line feed is a line too. */
  end(): void {
    if (this.#pending !== "") this.#tell(this.#pending);
    this.#pending = "";
  }

  #tell(line: string): void {
    this.#lines += 1;
    if (this.#lines > LINES_MAX) return;
    this.#onLine(this.#lines === LINES_MAX ? "(more lines are not shown)" : line.slice(0, LINE_CHARS_MAX));
  }
}
