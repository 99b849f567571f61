#!/bin/bash
# Makes a machine ready for a fresh checkout: Debian packages, npm packages, builds. Quick when nothing is to do.
#
#   bash test/setup/setup.sh build|lab|test [-- COMMAND ARGUMENT...]
#
# build  compiler and npm packages, dist/ and dist-test/
# lab    also what the lab (npm start) needs; with --real among the command's arguments Patroni, etcd and PostgreSQL too
# test   also what every kind of test needs
# With a command, goes on as that command. Packages are installed when this runs as root; else the missing ones are named.
set -euo pipefail

usage() {
  echo "usage: setup.sh build|lab|test [-- COMMAND ARGUMENT...]" >&2
  exit 2
}
set_name=${1:-}
case $set_name in build | lab | test) shift ;; *) usage ;; esac
if [ $# -gt 0 ]; then
  [ "$1" = -- ] || usage
  shift
fi

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
mkdir -p .cache
# npm wants a home folder to exist.
if [ -z "${HOME:-}" ]; then
  export HOME=$PWD/.cache/home
  mkdir -p "$HOME"
fi

say() { echo "set-up: $*" >&2; }

if ! node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)'; then
  say "Node 20.19 or later is needed, with npm; found: $(node --version 2>&1 || true)"
  exit 1
fi

# ---------------------------------------------------------------------------------------------- Debian packages

kernel_has_ipvs() {
  [ -e /proc/net/ip_vs ] || modprobe ip_vs 2>/dev/null || return 1
  [ -e /proc/net/ip_vs ]
}

# The packages wanted, one a line, as PACKAGE or PACKAGE:FILE. With FILE, an existing program or file of that name
# will do, wherever it comes from.
wanted_packages() {
  printf '%s\n' g++:g++ make:make python3:python3
  [ "$set_name" = build ] && return
  printf '%s\n' iproute2 procps util-linux kmod ipvsadm
  if [ "$set_name" = test ] || ! kernel_has_ipvs; then
    printf '%s\n' qemu-system-x86 busybox-static cpio
  fi
  if [ "$set_name" = test ]; then
    printf '%s\n' keepalived tcpdump tshark strace valgrind systemd:/lib/systemd/systemd iputils-arping:arping iputils-ping openssl:openssl
  fi
  case "$set_name $*" in
    test* | *--real*)
      printf '%s\n' patroni etcd-server etcd-client python3-etcd python3-etcd3 postgresql:/usr/lib/postgresql
      ;;
  esac
}

missing_packages() {
  local entry package file installed
  installed=" $(dpkg-query -W -f '${db:Status-Status} ${Package}\n' 2>/dev/null | sed -n 's/^installed //p' | tr '\n' ' ') "
  while read -r entry; do
    package=${entry%%:*}
    file=${entry#"$package"}
    file=${file#:}
    case $file in
      "") [[ $installed == *" $package "* ]] || echo "$package" ;;
      /*) [ -e "$file" ] || echo "$package" ;;
      *) command -v "$file" >/dev/null || echo "$package" ;;
    esac
  done
}

policy=/usr/sbin/policy-rc.d
policy_kept=/usr/sbin/policy-rc.d.before-holdfast-set-up
policy_mark="# holdfast set-up: nothing is started by this installation"

# Puts policy-rc.d back as it was: the very file, or none. Also cleans up after a set-up that was killed.
restore_policy() {
  if grep -qsF "$policy_mark" "$policy"; then rm -f "$policy"; fi
  if [ -e "$policy" ] || [ -L "$policy" ]; then return; fi
  if [ -e "$policy_kept" ] || [ -L "$policy_kept" ]; then mv "$policy_kept" "$policy"; fi
}

install_packages() {
  export DEBIAN_FRONTEND=noninteractive
  local options=(-y -q --no-install-recommends --no-remove -o DPkg::Lock::Timeout=600 -o Dpkg::Options::=--force-confold
    -o Dpkg::Use-Pty=0)
  trap restore_policy EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  if [ -e "$policy" ] || [ -L "$policy" ]; then mv "$policy" "$policy_kept"; fi
  printf '#!/bin/sh\n%s\nexit 101\n' "$policy_mark" >"$policy"
  chmod 755 "$policy"
  # Lists of packages that are older than a day name versions that the archive may not have any more.
  if [ -z "$(find /var/lib/apt/lists -name '*_Packages*' -mtime -1 2>/dev/null | head -n 1)" ]; then
    apt-get update -q </dev/null >&2
  fi
  if ! apt-get install "${options[@]}" "$@" </dev/null >&2; then
    say "once more with new package lists"
    apt-get update -q </dev/null >&2
    apt-get install "${options[@]}" "$@" </dev/null >&2
  fi
  restore_policy
  trap - EXIT HUP INT TERM
}

packages() {
  if ! command -v dpkg-query >/dev/null; then
    say "not a Debian system; what the tests miss here, they will name"
    return
  fi
  # A set-up that was killed may have left its own.
  if [ "$(id -u)" = 0 ]; then restore_policy; fi
  local missing
  mapfile -t missing < <(wanted_packages "$@" | missing_packages)
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" != 0 ]; then
    say "missing Debian packages: ${missing[*]}"
    say "not root, so they are not installed; going on without"
    return
  fi
  say "installing Debian packages: ${missing[*]}"
  install_packages "${missing[@]}"
}

# ------------------------------------------------------------------------------------------ npm packages, builds

# A hash over the names and contents of files, to know whether a step has to be repeated.
digest() { find "$@" -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -d ' ' -f 1; }

# step STAMP DIGEST COMMAND...: runs the command unless it succeeded before with the same digest.
step() {
  local stamp=$1 now=$2
  shift 2
  if [ "$(cat "$stamp" 2>/dev/null)" = "$now" ]; then return; fi
  rm -f "$stamp"
  "$@" </dev/null >&2
  mkdir -p "$(dirname "$stamp")"
  echo "$now" >"$stamp"
}

npm_packages() {
  say "npm ci"
  # Builds the addon as well: its own step need not.
  npm ci --no-audit --no-fund
  mkdir -p build
  digest native binding.gyp >build/.digest
}

native_addon() {
  say "building the addon"
  node native/build.mjs
}

build() {
  say "building $1"
  npx --no-install tsc -p "$2"
  if [ -e dist/main.js ]; then chmod +x dist/main.js; fi
}

steps() {
  step node_modules/.digest "$(node --version | cut -d . -f 1) $(digest package-lock.json)" npm_packages
  step build/.digest "$(digest native binding.gyp)" native_addon
  step dist/.digest "$(digest src tsconfig.json)" build dist tsconfig.json
  step dist-test/.digest "$(digest src test tsconfig.json vitest.config.ts)" build dist-test test/tsconfig.json
}

# One set-up at a time: they share node_modules and the builds. (Not inherited by what goes on afterwards.)
exec 9>.cache/setup.lock
flock 9
packages "$@"
steps
exec 9>&-

if [ $# -gt 0 ]; then exec "$@"; fi
