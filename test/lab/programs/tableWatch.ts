/**
 * Watches the kernel's IPVS table of the namespace it runs in: `node tableWatch.js INTERVAL_MS`. One JSON line for the
 * first look and for every change of services or weights, and one with figures at SIGTERM.
 *
 * The kernel's file is not one instant: rows are printed one after the other. A look that took longer than the writer
 * needs for lowering one row and raising another can show both raised although they never were; so every line tells how
 * long its look took, and how much before it the last look was.
 */
import { openSync, readSync } from "node:fs";
import { parseTable, type TableService } from "../ipvsTable.ts";
import { monotonicUs } from "../standIn/node.types.ts";

export interface TableLine {
  readonly kind: "table";
  /** CLOCK_MONOTONIC after the look. */
  readonly atUs: number;
  readonly tookUs: number;
  /** When the last look began that showed the earlier table; equal to `atUs` in the first line. */
  readonly unchangedSinceUs: number;
  readonly table: readonly TableService[];
}
export interface TableFigures {
  readonly kind: "figures";
  readonly looks: number;
  readonly slowestUs: number;
  /** The longest time between the ends of two looks. */
  readonly gapMaxUs: number;
}

// Two, used in turn: a look that shows the same bytes as the one before costs no text and no parsing.
let buffer = Buffer.alloc(65_536);
let bufferBefore = Buffer.alloc(65_536);
let lengthBefore = -1;

/** The table's text, or undefined when it is to the byte what the look before showed. */
function look(): string | undefined {
  const length = readTable();
  const same = length === lengthBefore && buffer.compare(bufferBefore, 0, length, 0, length) === 0;
  const text = same ? undefined : buffer.toString("latin1", 0, length);
  [buffer, bufferBefore] = [bufferBefore, buffer];
  lengthBefore = length;
  return text;
}

/** The file stays open: a read at its beginning is a new look, and a look every two milliseconds must cost little. */
const file = openSync("/proc/net/ip_vs", "r");

function readTable(): number {
  let length = 0;
  for (;;) {
    const read = readSync(file, buffer, length, buffer.length - length, length);
    if (read === 0) return length;
    length += read;
  }
}

/** Connection counts change all the time and are no news. */
function withoutCounts(text: string): string {
  return text.replace(/^( {2}-> \S+\s+\S+\s+\d+).*$/gm, "$1");
}

function print(line: TableLine | TableFigures): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

const intervalMs = Number(process.argv[2]);
let last = "";
let lastBeganUs = 0;
let lastEndedUs = 0;
let looks = 0;
let slowestUs = 0;
let gapMaxUs = 0;

function once(): void {
  const beganUs = monotonicUs();
  const raw = look();
  const atUs = monotonicUs();
  const text = raw === undefined ? last : withoutCounts(raw);
  looks++;
  slowestUs = Math.max(slowestUs, atUs - beganUs);
  if (lastEndedUs !== 0) gapMaxUs = Math.max(gapMaxUs, atUs - lastEndedUs);
  if (raw !== undefined && text !== last) {
    const unchangedSinceUs = lastBeganUs === 0 ? atUs : lastBeganUs;
    print({ kind: "table", atUs, tookUs: atUs - beganUs, unchangedSinceUs, table: parseTable(raw) });
  }
  last = text;
  lastBeganUs = beganUs;
  lastEndedUs = atUs;
}

// Several looks a turn, with a real pause between them: timers alone do not go below a millisecond.
const pauseCell = new Int32Array(new SharedArrayBuffer(4));
function turn(): void {
  for (let i = 0; i < 8; i++) {
    once();
    if (intervalMs > 0) Atomics.wait(pauseCell, 0, 0, intervalMs);
  }
  setImmediate(turn);
}

process.on("SIGTERM", () => {
  print({ kind: "figures", looks, slowestUs, gapMaxUs });
  process.stdout.write("", () => process.exit(0));
});
turn();
