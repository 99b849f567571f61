/**
 * What a test needs of the machine. On a developer's machine a test whose needs are not met is skipped, and says why; on
 * CI (variable CI=true) it fails, since a skipped test proves nothing.
 */

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { describe } from "vitest";
import { kernelHasIpvs } from "../guest/boot/kernelHasIpvs.ts";
import { controlGroupRoot, enableMemoryLimits, SYSTEMD } from "./controlGroups.ts";
import { findProgram } from "./programPath.ts";

function programMissing(name: string): string | undefined {
  return findProgram(name) === undefined ? `program ${name} is not installed` : undefined;
}

function rootMissing(): string | undefined {
  return process.getuid?.() === 0 ? undefined : "must run as root";
}

function namespacesMissing(): string | undefined {
  const missing = rootMissing() ?? programMissing("ip");
  if (missing !== undefined) return missing;
  const tried = spawnSync("unshare", ["--net", "true"], { encoding: "utf8" });
  return tried.status === 0 ? undefined : `no network namespaces here: ${tried.stderr.trim()}`;
}

function systemdMissing(): string | undefined {
  return existsSync(SYSTEMD) ? controlGroupsMissing() : "systemd is not installed";
}

/** Made and removed: in a container they may be there, and not to be written to. */
function controlGroupsMissing(): string | undefined {
  const root = controlGroupRoot();
  if (root === undefined) return "no control groups of version 2 here";
  const tried = join(root, `holdfast-try-${process.pid}`);
  try {
    mkdirSync(tried);
    rmdirSync(tried);
    return undefined;
  } catch (error) {
    return `no control groups can be made here: ${String(error)}`;
  }
}

/** Each requirement: what is missing in words, or undefined when it is met. */
const CHECKS = {
  root: rootMissing,
  netns: namespacesMissing,
  ipvs: () => rootMissing() ?? (kernelHasIpvs() ? undefined : "this kernel has no IPVS (run it in the guest)"),
  guest: () => programMissing("qemu-system-x86_64") ?? programMissing("busybox") ?? programMissing("cpio"),
  postgresql: () =>
    existsSync("/usr/lib/postgresql") && readdirSync("/usr/lib/postgresql").length > 0
      ? undefined
      : "PostgreSQL's server is not installed",
  keepalived: () => programMissing("keepalived"),
  ipvsadm: () => programMissing("ipvsadm"),
  systemd: systemdMissing,
  memoryLimit: () =>
    rootMissing() ?? (enableMemoryLimits() ? undefined : "control groups of version 2 do not limit memory here"),
  tcpdump: () => programMissing("tcpdump"),
  tshark: () => programMissing("tshark"),
  strace: () => programMissing("strace"),
  tunnels: () => (existsSync("/dev/net/tun") ? undefined : "no /dev/net/tun here"),
  valgrind: () => programMissing("valgrind"),
  arping: () => programMissing("arping"),
  ping: () => programMissing("ping"),
  openssl: () => programMissing("openssl"),
  patroni: () => programMissing("patroni"),
  etcd: () => programMissing("etcd"),
} satisfies Record<string, () => string | undefined>;

export type Requirement = keyof typeof CHECKS;

const results = new Map<Requirement, string | undefined>();

function missing(requirement: Requirement): string | undefined {
  if (!results.has(requirement)) results.set(requirement, CHECKS[requirement]());
  return results.get(requirement);
}

/** What is missing of these requirements, in words; empty when all are met. */
export function missingRequirements(...requirements: Requirement[]): string[] {
  return requirements.map((requirement) => missing(requirement)).filter((reason) => reason !== undefined);
}

/**
 * `describe` for tests that need something of the machine: `requires("netns", "keepalived")("interoperation", () => ...)`.
 * Not met: the block is skipped with the reason in its title and on standard error; with CI=true this throws.
 */
export function requires(...requirements: Requirement[]): (title: string, tests: () => void) => void {
  const reasons = [...new Set(missingRequirements(...requirements))];
  return (title, tests) => describeUnless(reasons, process.env.CI === "true", title, tests);
}

/** Declares the block of tests unless there are reasons against it. */
export function describeUnless(reasons: readonly string[], ci: boolean, title: string, tests: () => void): void {
  if (reasons.length === 0) {
    describe(title, tests);
    return;
  }
  const why = reasons.join("; ");
  if (ci) throw new Error(`"${title}" cannot run, and nothing is skipped on CI: ${why}`);
  process.stderr.write(`skipped: "${title}": ${why}\n`);
  describe.skip(`${title} [skipped: ${why}]`, tests);
}
