import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** One captured piece of the real world: bytes with their provenance, and the value that they mean. */
export interface GoldenCase {
  /** The folder, which names the codec. */
  readonly protocol: string;
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly expected: { readonly value: unknown } | { readonly error: string };
}

/** Every NAME.hex of a protocol's folder with its NAME.json. */
export function goldenCases(protocol: string): GoldenCase[] {
  const folder = join(import.meta.dirname, protocol);
  return readdirSync(folder)
    .filter((file) => file.endsWith(".hex"))
    .map((file) => file.slice(0, -".hex".length))
    .map((name) => ({
      protocol,
      name,
      bytes: goldenBytes(protocol, name),
      expected: JSON.parse(readFileSync(join(folder, `${name}.json`), "utf8")) as GoldenCase["expected"],
    }));
}

/** The bytes of one case. */
export function goldenBytes(protocol: string, name: string): Uint8Array {
  const text = readFileSync(join(import.meta.dirname, protocol, `${name}.hex`), "utf8");
  const hex = text.replaceAll(/^#.*$/gm, "").replaceAll(/\s/g, "");
  if (!/^([0-9a-f]{2})+$/.test(hex)) throw new Error(`${protocol}/${name}.hex: no hexadecimal bytes`);
  return Uint8Array.from(Buffer.from(hex, "hex"));
}

/** A value as JSON can hold it: bytes as { hex }, 64-bit numbers as { u64 }. */
export function toJson(value: unknown): unknown {
  if (value instanceof Uint8Array) return { hex: Buffer.from(value).toString("hex") };
  if (typeof value === "bigint") return { u64: value.toString() };
  if (Array.isArray(value)) return value.map(toJson);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, toJson(part)]));
}

/** The reverse of `toJson`. */
export function fromJson(json: unknown): unknown {
  if (Array.isArray(json)) return json.map(fromJson);
  if (typeof json !== "object" || json === null) return json;
  const { hex, u64 } = json as { hex?: unknown; u64?: unknown };
  if (typeof hex === "string") return Uint8Array.from(Buffer.from(hex, "hex"));
  if (typeof u64 === "string") return BigInt(u64);
  return Object.fromEntries(Object.entries(json).map(([key, part]) => [key, fromJson(part)]));
}
