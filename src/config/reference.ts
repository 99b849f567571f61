import { allBlocks, type FoundBlock } from "./keywords/registry.ts";
import type { LeftOutRow, Row, ValueRow } from "./keywords/row.ts";

/** docs/keepalived.md, written from the keyword rows. A test holds the committed page to it. */
export function referencePage(): string {
  const blocks = allBlocks();
  const read = blocks.filter(({ read }) => read);
  const refused = blocks.filter(({ read }) => !read);
  return [INTRODUCTION, ...read.map(blockSection), REFUSED, ...refused.flatMap(refusedLine), ""].join("\n");
}

const INTRODUCTION = `# Keywords of keepalived.conf(5) in holdfast

Written from the keyword tables in \`src/config/keywords\`; do not edit. After a change of the tables:
\`npx vitest run test/unit/config/reference.test.ts -u\`.

The language is keepalived's; the names are those of the manual page of keepalived 2.2.7. Status:

- **implemented**: does what the line says;
- **native**: an extension of holdfast;
- **no effect**: read and checked, and nothing follows from it, because holdfast does what it asks in any case: the line says how;
- **left out**: keepalived has it, holdfast will not: it is refused by name (\`left-out\`), with the reason and what to do instead;

A value that is not written comes from where the column Default says. Reload: **live** = taken over in place, **restart** = the
instance releases its addresses and takes part in a new election, **none** = nothing to take over.
`;

const REFUSED = `## Blocks that are refused as a whole

Nothing inside them is read.
`;

function blockSection({ path, table }: FoundBlock): string {
  const title = path.length === 0 ? "Top level" : path.map((keyword) => `\`${keyword}\``).join(" → ");
  const rows = Object.entries(table.rows);
  const known = rows.flatMap(([keyword, row]) => (isRefused(row) ? [] : knownLine(keyword, row)));
  const leftOut = rows.flatMap(([keyword, row]) => (row.shape === "leftOut" ? leftOutLine(keyword, row) : []));
  const head =
    "| Keyword | Value | Default | Status | Reload | What it does | Reference |\n|---|---|---|---|---|---|---|";
  return [
    `## ${title}\n`,
    ...(known.length === 0 ? [] : [head, ...known, ""]),
    ...(leftOut.length === 0 ? [] : ["Left out:", "", ...leftOut, ""]),
  ].join("\n");
}

type KnownRow = Exclude<Row, LeftOutRow>;

const isRefused = (row: Row): row is LeftOutRow => row.shape === "leftOut";

function leftOutLine(keyword: string, row: LeftOutRow): string {
  return `- ${names(keyword, row)}: ${row.doc} Left out: ${row.reason}. Instead: ${row.remedy}.`;
}

function knownLine(keyword: string, row: KnownRow): string {
  const cells = [
    names(keyword, row),
    code(syntaxOf(row)),
    defaultOf(row),
    row.status === "noEffect" ? "no effect" : row.status,
    row.reload,
    row.reason === undefined ? row.doc : `${row.doc} No effect: ${row.reason}.`,
    row.reference,
  ];
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}

const names = (keyword: string, row: Row): string =>
  [keyword, ...(row.aliases ?? [])].map((name) => `\`${name}\``).join(", ");
const code = (text: string): string => (text === "" ? "" : `\`${text}\``);

function syntaxOf(row: KnownRow): string {
  switch (row.shape) {
    case "value":
      return row.kind.syntax;
    case "lines":
      return `{ ${row.line.syntax} ... }`;
    case "block":
      return row.header.syntax === "" ? "{ ... }" : `${row.header.syntax} { ... }`;
  }
}

function defaultOf(row: Row): string {
  if (row.shape !== "value") return "";
  return [row.defaultFrom, writtenDefault(row)].filter((each) => each !== undefined).join(", else ");
}

function writtenDefault(row: ValueRow<unknown>): string | undefined {
  return row.default === undefined ? undefined : code(row.kind.format(row.default));
}

function refusedLine({ path, table }: FoundBlock): string[] {
  const keywords = Object.entries(table.rows).map(([keyword, row]) => names(keyword, row));
  return [
    `- ${path.map((keyword) => `\`${keyword}\``).join(" → ")}${keywords.length > 0 ? `: ${keywords.join(", ")}` : ""}`,
  ];
}
