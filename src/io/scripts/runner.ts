import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { HoldfastError } from "../../core/errors.ts";
import type { Logger } from "../../core/interfaces.ts";
import type { ScriptIdentity, ScriptProblem, ScriptRequest, ScriptRun, ScriptRunner } from "../../core/scripts.ts";
import { packageRoot } from "../packageRoot.ts";
import { executableProblem, findProgram, writableByOthers } from "./pathSecurity.ts";
import { startScript } from "./run.ts";
import { hostNames, type Identity, type NameService, resolveIdentity } from "./users.ts";

/** Where `npm ci` puts the program that becomes the script (native/run_script.c). */
const LAUNCHER_FILE = join("build", "Release", "holdfast-script");
/** keepalived.conf(5), SCRIPTS: whom scripts run as where neither they nor `script_user` say it. */
const USER_DEFAULT = "keepalived_script";
/** linux/capability.h: what a change of user takes. */
const CAP_SETGID = 6;
const CAP_SETUID = 7;

/** What `global_defs` says of scripts. */
export interface ScriptPolicy {
  readonly enableScriptSecurity: boolean;
  readonly scriptUser: { readonly user: string; readonly group: string | undefined } | undefined;
}

interface Prepared {
  readonly path: string;
  /** Undefined: whom we run as ourselves. */
  readonly identity: Identity | undefined;
}

/**
 * Runs scripts as keepalived.conf(5) says: without a shell, as their user, without our capabilities, in a process group of
 * their own, with SIGTERM when we end. `close` ends what still runs.
 */
export class HostScripts implements ScriptRunner {
  readonly #logger: Logger;
  readonly #names: NameService;
  readonly #launcher: string;
  readonly #mayChangeUser = mayChangeUser();
  readonly #identities = new Map<string, Identity | undefined | ScriptProblem>();
  readonly #running = new Set<ScriptRun>();
  #policy: ScriptPolicy;

  constructor(
    policy: ScriptPolicy,
    modules: { readonly logger: Logger; readonly names?: NameService; readonly launcher?: string },
  ) {
    this.#policy = policy;
    this.#logger = modules.logger;
    this.#names = modules.names ?? hostNames;
    this.#launcher = modules.launcher ?? join(packageRoot(import.meta.dirname), LAUNCHER_FILE);
    if (!existsSync(this.#launcher)) {
      const message = `the program that starts scripts is missing: ${this.#launcher}`;
      throw new HoldfastError("launcherMissing", message, "build it by: npm ci");
    }
  }

  /** At a reload; users and groups are looked up again. */
  setPolicy(policy: ScriptPolicy): void {
    this.#policy = policy;
    this.#identities.clear();
  }

  examine(script: ScriptIdentity): {
    readonly refused: ScriptProblem | undefined;
    readonly warning: string | undefined;
  } {
    const prepared = this.#prepare(script);
    if ("reason" in prepared) return { refused: prepared, warning: undefined };
    const writable = this.#runsAsRoot(prepared.identity) ? writableByOthers(prepared.path) : undefined;
    return {
      refused: undefined,
      warning:
        writable === undefined
          ? undefined
          : `${prepared.path} runs as root, but ${writable}; set enable_script_security`,
    };
  }

  run(request: ScriptRequest): ScriptRun {
    const prepared = this.#prepare(request);
    if ("reason" in prepared) {
      const outcome = { kind: "cannotRun", ...prepared } as const;
      return { done: Promise.resolve({ outcome, tookMs: 0, output: "" }), kill: () => undefined };
    }
    const run = startScript(request, { launcher: this.#launcher, ...prepared, logger: this.#logger });
    this.#running.add(run);
    run.done.then(
      () => this.#running.delete(run),
      () => undefined,
    );
    return run;
  }

  /** Whom scripts of this user and group run as; undefined = we ourselves. Throws HoldfastError with the problem's reason. */
  identityOf(user: string | undefined, group: string | undefined): Identity | undefined {
    const identity = this.#identity(user, group);
    if (identity === undefined || !("reason" in identity)) return identity;
    throw new HoldfastError(identity.reason, identity.detail);
  }

  /** Ends what still runs and waits for it: a second at most, and what ignores SIGTERM then gets SIGKILL. */
  async close(): Promise<void> {
    const runs = [...this.#running];
    for (const run of runs) run.kill();
    await Promise.all(runs.map(({ done }) => done));
  }

  #prepare(script: ScriptIdentity): Prepared | ScriptProblem {
    const path = findProgram(script.arguments[0] ?? "");
    if (typeof path !== "string") return path;
    const problem = executableProblem(path);
    if (problem !== undefined) return problem;
    const identity = this.#identity(script.user, script.group);
    if (identity !== undefined && "reason" in identity) return identity;
    if (this.#policy.enableScriptSecurity && this.#runsAsRoot(identity)) {
      const writable = writableByOthers(path);
      if (writable !== undefined) {
        return { reason: "insecure", detail: `${path} would run as root, but ${writable} (enable_script_security)` };
      }
    }
    return { path, identity };
  }

  #runsAsRoot(identity: Identity | undefined): boolean {
    return (identity?.uid ?? process.geteuid?.()) === 0;
  }

  #identity(user: string | undefined, group: string | undefined): Identity | undefined | ScriptProblem {
    const key = JSON.stringify([user, group]);
    if (!this.#identities.has(key)) this.#identities.set(key, this.#resolve(user, group));
    return this.#identities.get(key);
  }

  #resolve(user: string | undefined, group: string | undefined): Identity | undefined | ScriptProblem {
    const wanted = user === undefined ? this.#policy.scriptUser : { user, group };
    if (wanted === undefined) {
      // The default account serves to give up root. Whoever is not root has nothing to give up and cannot change.
      if (!this.#mayChangeUser) return undefined;
      const account = resolveIdentity(USER_DEFAULT, undefined, this.#names);
      return "reason" in account ? undefined : account;
    }
    const identity = resolveIdentity(wanted.user, wanted.group, this.#names);
    if ("reason" in identity) return identity;
    if (identity.uid === process.geteuid?.() && identity.gid === process.getegid?.()) return undefined;
    if (this.#mayChangeUser) return identity;
    const name = wanted.group === undefined ? wanted.user : `${wanted.user}:${wanted.group}`;
    return {
      reason: "userNotPermitted",
      detail: `holdfast runs as user ${process.geteuid?.()}, so it cannot run scripts as ${name}; name its own user, or start it as root`,
    };
  }
}

function mayChangeUser(): boolean {
  const effective = BigInt(
    `0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0"}`,
  );
  return [CAP_SETGID, CAP_SETUID].every((bit) => (effective & (1n << BigInt(bit))) !== 0n);
}
