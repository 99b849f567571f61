import type { TrackFileConfig } from "../../config/vrrp.types.ts";
import type { FileText, FileWatch } from "../../core/files.ts";
import type { TrackResult } from "../../workers/vrrp/protocol.ts";
import type { TrackerModules } from "./scriptTracker.ts";
import type { FileTrackerStatus, Tracker } from "./types.ts";

const VALUE_MAX = 2_147_483_647;

/**
 * The number in a track file. As keepalived reads it: what stands before the first other character, and 0 where there is
 * none or no file; unlike it, everything that is not just a number is told.
 */
export function fileValue(read: FileText): { readonly value: number; readonly problem: string | undefined } {
  if (read.kind === "missing") return { value: 0, problem: "there is no such file; it counts as 0" };
  if (read.kind === "unreadable") return { value: 0, problem: `it cannot be read (${read.detail}); it counts as 0` };
  const number = /^\s*([+-]?\d+)/.exec(read.text)?.[1];
  const value = number === undefined ? 0 : Math.min(VALUE_MAX, Math.max(-VALUE_MAX - 1, Number(number))) + 0;
  if (/^\s*[+-]?\d+\s*$/.test(read.text)) return { value, problem: undefined };
  const shown = JSON.stringify(read.text.slice(0, 40).trimEnd());
  return { value, problem: `${shown} is no number; it counts as ${value}` };
}

/** Watches one `track_file`, and creates it first where `init_file` says so. */
export class FileTracker implements Tracker {
  readonly key: string;
  readonly #config: TrackFileConfig;
  readonly #modules: TrackerModules & { readonly files: FileWatch };
  readonly #unwatch: () => void;
  #value: number | undefined;
  #problem: string | undefined;
  #sinceMs: number | undefined;

  constructor(config: TrackFileConfig, modules: TrackerModules & { readonly files: FileWatch }) {
    this.key = fileKey(config);
    this.#config = config;
    this.#modules = modules;
    this.#initialize();
    this.#unwatch = modules.files.watch(config.path, () => this.#look());
    this.#look();
  }

  result(): TrackResult {
    return { kind: "file", name: this.#config.name, value: this.#value };
  }

  status(): FileTrackerStatus {
    return {
      ...this.result(),
      kind: "file",
      sinceMs: this.#sinceMs,
      path: this.#config.path,
      problem: this.#problem,
    };
  }

  stop(): void {
    this.#unwatch();
  }

  #initialize(): void {
    const { initialize, path, name } = this.#config;
    if (initialize === undefined) return;
    try {
      this.#modules.files.initialize(path, `${initialize.value}\n`, initialize.overwrite);
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error);
      this.#modules.events.record(
        "warn",
        "trackFileProblem",
        `track_file ${name}: ${path} cannot be initialized: ${detail}`,
        {
          file: name,
          path,
        },
      );
    }
  }

  #look(): void {
    const { name, path } = this.#config;
    const { value, problem } = fileValue(this.#modules.files.read(path));
    if (problem !== this.#problem) {
      this.#problem = problem;
      if (problem !== undefined) {
        this.#modules.events.record("warn", "trackFileProblem", `track_file ${name}: ${path}: ${problem}`, {
          file: name,
          path,
        });
      }
    }
    if (value === this.#value) return;
    const from = this.#value;
    this.#value = value;
    this.#sinceMs = this.#modules.wallMs();
    this.#modules.events.record("info", "trackFileValue", `track_file ${name}: ${from ?? "unknown"} -> ${value}`, {
      file: name,
      path,
      value,
    });
    this.#modules.onResult();
  }
}

export const fileKey = (config: TrackFileConfig): string => `file ${JSON.stringify(config)}`;
