import { allBlocks, type FoundBlock } from "./keywords/registry.ts";
import type { Row, ValueRow } from "./keywords/row.ts";

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
- **not yet**: keepalived has it; here it is refused by name (\`not-implemented\`), never ignored.

A value that is not written comes from where the column Default says. Reload: **live** = taken over in place, **restart** = the
instance releases its addresses and takes part in a new election, **none** = nothing to take over.
`;

const REFUSED = `## Blocks that are refused as a whole

Nothing inside them is read.
`;

function blockSection({ path, table }: FoundBlock): string {
  const title = path.length === 0 ? "Top level" : path.map((keyword) => `\`${keyword}\``).join(" → ");
  const rows = Object.entries(table.rows);
  const known = rows.filter(([, row]) => row.shape !== "notYet");
  const later = rows.filter(([, row]) => row.shape === "notYet");
  const head =
    "| Keyword | Value | Default | Status | Reload | What it does | Reference |\n|---|---|---|---|---|---|---|";
  return [
    `## ${title}\n`,
    ...(known.length === 0 ? [] : [head, ...known.map(([keyword, row]) => knownLine(keyword, row)), ""]),
    ...(later.length === 0
      ? []
      : ["Not yet:", "", ...later.map(([keyword, row]) => `- ${names(keyword, row)}: ${row.doc}`), ""]),
  ].join("\n");
}

function knownLine(keyword: string, row: Row): string {
  if (row.shape === "notYet") return "";
  const cells = [
    names(keyword, row),
    code(syntaxOf(row)),
    defaultOf(row),
    row.status,
    row.reload,
    row.doc,
    row.reference,
  ];
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}

const names = (keyword: string, row: Row): string =>
  [keyword, ...(row.aliases ?? [])].map((name) => `\`${name}\``).join(", ");
const code = (text: string): string => (text === "" ? "" : `\`${text}\``);

function syntaxOf(row: Exclude<Row, { readonly shape: "notYet" }>): string {
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
