/**
 * The arrows of docs/architecture.md as rules over the import lines of src: who may know whom. Every rule gives its
 * violations in words.
 */

export interface SourceFile {
  /** From src, for instance `wire/vrrp.ts`. */
  readonly path: string;
  readonly text: string;
}

/** Folders whose code is a function of its arguments alone: that lets a simulation run it in virtual time. */
const PURE = ["core", "wire", "config", "vrrp", "health", "plan"];

/** For each folder the others it may import from. A file directly in src stands under its own name. */
const ARROWS: Readonly<Record<string, readonly string[]>> = {
  core: [],
  wire: ["core"],
  config: ["core"],
  vrrp: ["core"],
  plan: ["core"],
  health: ["core", "config", "plan"],
  io: ["core", "wire", "config", "health", "plan"],
  workers: ["core", "config", "vrrp", "wire", "io"],
  daemon: ["core", "config", "vrrp", "health", "plan", "workers"],
  cli: ["core", "config", "vrrp", "health", "plan", "io", "workers", "daemon"],
  "main.ts": ["core", "cli", "io"],
};

/** Modules that open sockets, files and processes, and what speaks for them. */
const OUTSIDE_MODULES = [
  ...["node:fs", "node:fs/promises", "node:net", "node:dgram", "node:dns", "node:http", "node:https", "node:tls"],
  ...["node:child_process", "node:module", "undici", "pino", "pino-pretty"],
  ...["node:os", "node:vm", "nodemailer", "nodemailer/lib/smtp-connection", "dns-packet", "prom-client"],
];

/** What a pure file could reach without an import. */
const IMPURE_GLOBALS =
  /(?<![.\w#])(?:Date|performance|process|globalThis|console|set(?:Timeout|Interval|Immediate)|Math\.random)\s*[.(]/g;

const LINES_MAX = 400;

/** Files that may be longer: tables, which are read by looking something up. */
const LONG_FILES: Readonly<Record<string, string>> = {};

interface Import {
  readonly file: string;
  readonly target: string;
}

/** Without comments, so that prose is no code. Strings are recognised: `//` in an address is no comment. */
export function withoutComments(text: string): string {
  return text.replace(/("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`)|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, "$1");
}

function withoutStrings(code: string): string {
  return code.replace(/"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'/g, '""');
}

/** Every module that a file names: import, export from, import(), new URL("./x", import.meta.url). */
function importsOf(file: SourceFile): Import[] {
  const code = withoutComments(file.text);
  const found = code.matchAll(/(?:(?<!")\bfrom|\bimport|\bimport\(|\bnew URL\()\s*"([^"]+)"/g);
  return [...found].map((match) => ({ file: file.path, target: match[1] as string }));
}

/** `wire/vrrp.ts` and `../core/ip.ts` give `core/ip.ts`; undefined for a package. */
function resolved(each: Import): string | undefined {
  if (!each.target.startsWith(".")) return undefined;
  // URL resolution takes care of "..".
  return new URL(each.target, `file:///${each.file}`).pathname.slice(1);
}

/** What a file needs when it is loaded: not what it takes types from, nor what it starts later. */
function neededBy(file: SourceFile): string[] {
  const found = withoutComments(file.text).matchAll(/^(?:import|export)\s+(?!type\b)(?:[^";]*\bfrom\s*)?"([^"]+)"/gm);
  return [...found].flatMap((match) => resolved({ file: file.path, target: match[1] as string }) ?? []);
}

/** Files that need each other: which of them runs first depends on who is asked first. */
function circles(files: readonly SourceFile[]): string[] {
  const needs = new Map(files.map((file) => [file.path, neededBy(file)]));
  const done = new Set<string>();
  const visit = (path: string, way: readonly string[]): string[] => {
    if (way.includes(path)) return [`${[...way.slice(way.indexOf(path)), path].join(" needs ")}: a circle`];
    if (done.has(path)) return [];
    const found = (needs.get(path) ?? []).flatMap((each) => visit(each, [...way, path]));
    done.add(path);
    return found;
  };
  return files.flatMap(({ path }) => visit(path, []));
}

function folderOf(path: string): string {
  return path.split("/")[0] as string;
}

/** All violations, each beginning with the file's path. */
export function violations(files: readonly SourceFile[]): string[] {
  const imports = files.flatMap(importsOf);
  return [
    ...imports.flatMap(arrowViolation),
    ...imports.flatMap(pureImportViolation),
    ...imports.flatMap(outsideViolation),
    ...imports.flatMap(workerViolation),
    ...circles(files),
    ...files.flatMap(globalViolations),
    ...files.flatMap(exitViolation),
    ...files.flatMap(lengthViolation),
  ];
}

function arrowViolation(each: Import): string[] {
  const target = resolved(each);
  if (target === undefined) return [];
  const [from, to] = [folderOf(each.file), folderOf(target)];
  const allowed = ARROWS[from];
  if (allowed === undefined) return [`${each.file}: src/${from} has no arrows; give it some`];
  return from === to || allowed.includes(to) ? [] : [`${each.file}: ${from} must not import ${target}`];
}

function pureImportViolation(each: Import): string[] {
  const folder = folderOf(each.file);
  if (!PURE.includes(folder) || resolved(each) !== undefined) return [];
  if (folder === "wire" && each.target === "node:buffer") return [];
  return [`${each.file}: ${folder} is pure and must not import ${each.target}`];
}

function outsideViolation(each: Import): string[] {
  if (folderOf(each.file) === "io") return [];
  if (/\.node$|(^|\/)build\/Release\//.test(each.target)) return [`${each.file}: only io loads the addon`];
  return OUTSIDE_MODULES.includes(each.target) ? [`${each.file}: only io imports ${each.target}`] : [];
}

/** A worker and the rest of the program share messages, no state. */
function workerViolation(each: Import): string[] {
  const target = resolved(each);
  if (target === undefined || folderOf(each.file) === "workers" || folderOf(target) !== "workers") return [];
  const common = ["protocol.ts", "handle.types.ts"];
  // The composition makes the handle; everybody else knows its type.
  if (folderOf(each.file) === "cli") common.push("handle.ts");
  return common.includes(target.split("/").at(-1) ?? "")
    ? []
    : [`${each.file}: ${target} is the worker's own; only ${common.join(", ")} are common`];
}

function globalViolations(file: SourceFile): string[] {
  if (!PURE.includes(folderOf(file.path))) return [];
  const used = withoutStrings(withoutComments(file.text)).match(IMPURE_GLOBALS) ?? [];
  return [...new Set(used)].map((name) => `${file.path}: is pure and must not use ${name.replace(/\s*[.(]$/, "")}`);
}

function exitViolation(file: SourceFile): string[] {
  if (file.path === "main.ts") return [];
  return /\bprocess\s*\.\s*(?:exit|abort|reallyExit)\b(?!Code)/.test(withoutComments(file.text))
    ? [`${file.path}: only main.ts ends the process`]
    : [];
}

function lengthViolation(file: SourceFile): string[] {
  const lines = file.text.trimEnd().split("\n").length;
  const exempt = LONG_FILES[file.path] !== undefined;
  if (lines > LINES_MAX) return exempt ? [] : [`${file.path}: ${lines} lines, more than ${LINES_MAX}`];
  return exempt ? [`${file.path}: is short now; take it off the list of long files`] : [];
}
