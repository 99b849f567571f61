/** The last events of a run, kept as they are and put into words only when somebody asks. */
export class Trace {
  readonly #nowUs: () => number;
  readonly #events: Ring;
  readonly #traffic: Ring;
  #count = 0;

  constructor(nowUs: () => number, size = 600) {
    this.#nowUs = nowUs;
    this.#events = new Ring(size);
    this.#traffic = new Ring(size);
  }

  note(who: string, what: string, details?: unknown): void {
    this.#events.add(this.#count++, this.#nowUs(), who, what, details);
  }

  /** What happens all the time: kept apart, so that it does not push out the rest. */
  noteTraffic(who: string, what: string, details?: unknown): void {
    this.#traffic.add(this.#count++, this.#nowUs(), who, what, details);
  }

  /** The last `count` of those that concern one of `about`; empty = all. */
  lines(count: number, about: readonly string[] = [], traffic = true): string[] {
    const notes = [...this.#events.notes(), ...(traffic ? this.#traffic.notes() : [])];
    return notes
      .filter(({ who }) => about.length === 0 || about.some((name) => who.includes(name) || name.startsWith(`${who}/`)))
      .sort((a, b) => a.number - b.number)
      .slice(-count)
      .map(({ atUs, who, what, details }) => `${(atUs / 1e6).toFixed(6)} ${who} ${what} ${inWords(details)}`.trimEnd());
  }
}

interface Note {
  readonly number: number;
  readonly atUs: number;
  readonly who: string;
  readonly what: string;
  readonly details: unknown;
}

/** Columns, so that a note makes no object. */
class Ring {
  readonly #number: Float64Array;
  readonly #at: Float64Array;
  readonly #who: string[];
  readonly #what: string[];
  readonly #details: unknown[];
  #count = 0;

  constructor(size: number) {
    this.#number = new Float64Array(size);
    this.#at = new Float64Array(size);
    this.#who = new Array<string>(size).fill("");
    this.#what = new Array<string>(size).fill("");
    this.#details = new Array<unknown>(size).fill(undefined);
  }

  add(number: number, atUs: number, who: string, what: string, details: unknown): void {
    const slot = this.#count++ % this.#at.length;
    this.#number[slot] = number;
    this.#at[slot] = atUs;
    this.#who[slot] = who;
    this.#what[slot] = what;
    this.#details[slot] = details;
  }

  notes(): Note[] {
    return Array.from({ length: Math.min(this.#count, this.#at.length) }, (_, slot) => ({
      number: this.#number[slot] as number,
      atUs: this.#at[slot] as number,
      who: this.#who[slot] as string,
      what: this.#what[slot] as string,
      details: this.#details[slot],
    }));
  }
}

function inWords(details: unknown): string {
  if (details === undefined) return "";
  const plain = typeof details === "object" && (details as object).toString === Object.prototype.toString;
  return plain || Array.isArray(details) ? JSON.stringify(details) : String(details);
}
