/**
 * The guest's kernel and initial file system, kept in .cache/guest. The kernel is Debian's generic one, unpacked from its
 * package without installing it (the cloud kernel has no 9p).
 */

import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { copyFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { runProcess } from "../../lab/processes.ts";
import { findProgram, searchPath } from "../../lab/programPath.ts";
import { projectRoot } from "../../lab/root.ts";
import { FIRST_STAGE } from "./stages.ts";

const CACHE = join(projectRoot, ".cache", "guest");

/** What the first stage needs to reach the host's file system; everything else is loaded from there. */
const BOOT_MODULES = ["virtio_pci", "9pnet_virtio", "9p", "overlay"];

const ENV = { ...process.env, PATH: searchPath, LC_ALL: "C" };

export interface GuestImage {
  readonly kernel: string;
  readonly initramfs: string;
  /** Folder to be seen as /lib/modules in the guest. */
  readonly modules: string;
}

/** The image, made when it is not there yet (about 10 s; needs the Debian archive once). */
export async function guestImage(): Promise<GuestImage> {
  if (process.arch !== "x64") throw new Error(`the guest runs on x86-64 only, not on ${process.arch}`);
  mkdirSync(CACHE, { recursive: true });
  const linux = existingKernel() ?? (await unpackKernel());
  const version = onlyEntry(join(linux, "lib", "modules"));
  const initramfs = await buildInitramfs(linux, version);
  return { kernel: join(linux, "boot", `vmlinuz-${version}`), initramfs, modules: join(linux, "lib", "modules") };
}

/** An unpacked kernel is used for as long as it is there: tests do not need the newest. */
function existingKernel(): string | undefined {
  const found = readdirSync(CACHE)
    .filter((name) => name.startsWith("linux-image-"))
    .sort();
  const newest = found.at(-1);
  return newest === undefined ? undefined : join(CACHE, newest);
}

function onlyEntry(folder: string): string {
  const [entry, ...others] = readdirSync(folder);
  if (entry === undefined || others.length > 0) throw new Error(`one entry expected in ${folder}`);
  return entry;
}

/** Downloads into `folder` the package that the meta package linux-image-amd64 stands for; returns its name. */
async function downloadKernel(folder: string): Promise<string> {
  const { stdout } = await runProcess("apt-cache", ["depends", "linux-image-amd64"], { env: ENV, allowFailure: true });
  const name = /Depends: (linux-image-[0-9]\S*-amd64)$/m.exec(stdout)?.[1];
  if (name === undefined) throw new Error("the package lists know no linux-image-amd64");
  process.stderr.write(`guest: downloading ${name}\n`);
  await runProcess("apt-get", ["-o", "APT::Sandbox::User=root", "download", name], {
    cwd: folder,
    env: ENV,
    timeoutMs: 600_000,
  });
  return name;
}

/** The same; where the package lists are missing or older than the archive, once more with new ones. */
async function downloadKernelSurely(folder: string): Promise<string> {
  try {
    return await downloadKernel(folder);
  } catch (error) {
    if (process.getuid?.() !== 0)
      throw new Error(`no kernel for the guest; "apt-get update" may help`, { cause: error });
    await runProcess("apt-get", ["update"], { env: ENV, timeoutMs: 600_000 });
    return await downloadKernel(folder);
  }
}

async function unpackKernel(): Promise<string> {
  const work = mkdtempSync(join(CACHE, "unpacking-"));
  try {
    const target = join(CACHE, await downloadKernelSurely(work));
    const tree = join(work, "tree");
    await runProcess("dpkg-deb", ["-x", onlyEntryPath(work), tree], { env: ENV, timeoutMs: 300_000 });
    const version = onlyEntry(join(tree, "lib", "modules"));
    // kmod of a merged-/usr system looks for modules under usr/lib.
    mkdirSync(join(tree, "usr"), { recursive: true });
    if (!existsSync(join(tree, "usr", "lib"))) symlinkSync("../lib", join(tree, "usr", "lib"));
    await runProcess("depmod", ["-b", tree, version], { env: ENV, timeoutMs: 300_000 });
    // One step: whoever else unpacks at the same time sees all or nothing.
    if (!existsSync(target)) renameSync(tree, target);
    return target;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function onlyEntryPath(folder: string): string {
  return join(folder, onlyEntry(folder));
}

/** Made anew for every boot: it takes 50 ms, and needs no rule for when it is out of date. */
async function buildInitramfs(linux: string, version: string): Promise<string> {
  const work = mkdtempSync(join(CACHE, "initramfs-"));
  try {
    const tree = join(work, "tree");
    for (const folder of ["bin", "modules", "proc"]) mkdirSync(join(tree, folder), { recursive: true });
    await copyFile(busyboxPath(), join(tree, "bin", "busybox"));
    const shown = await runProcess("modprobe", ["-d", linux, "-S", version, "--show-depends", "-a", ...BOOT_MODULES], {
      env: ENV,
    });
    const files = [...new Set([...shown.stdout.matchAll(/^insmod (\S+)/gm)].map((match) => match[1] as string))];
    for (const file of files) await copyFile(file, join(tree, "modules", basename(file)));
    writeFileSync(join(tree, "modules", "order"), files.map((file) => `${basename(file)}\n`).join(""));
    writeFileSync(join(tree, "init"), FIRST_STAGE, { mode: 0o755 });
    await runProcess("sh", ["-c", "find . | cpio --quiet -o -H newc > ../initramfs"], { cwd: tree, env: ENV });
    const target = join(CACHE, "initramfs");
    renameSync(join(work, "initramfs"), target);
    return target;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** busybox-static's program: it must run without any library of the host. */
export function busyboxPath(): string {
  const path = findProgram("busybox");
  if (path === undefined) throw new Error("the guest needs busybox (Debian package busybox-static)");
  return path;
}
