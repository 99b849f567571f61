/** The shell scripts that the guest starts with, run by busybox. */

/** Names of the virtio ports that carry the command's two output streams. */
export const OUT_PORT = "holdfast.out";
export const ERR_PORT = "holdfast.err";

/** Files in the run folder. */
export const SECOND_STAGE_FILE = "stage2";
export const COMMAND_FILE = "command";
export const STATUS_FILE = "status";

/**
 * The initial file system's /init: puts a memory file system over the host's (which is read only), so that every path is
 * there as on the host and can be written to without a trace, and goes on there.
 */
export const FIRST_STAGE = `#!/bin/busybox sh
b=/bin/busybox
$b mount -t proc proc /proc
for word in $($b cat /proc/cmdline); do
  case $word in holdfast.*) eval "\${word#holdfast.}" ;; esac
done
$b umount /proc
for module in $($b cat /modules/order); do $b insmod /modules/$module; done
$b mkdir -p /lower /memory /newroot
shares=trans=virtio,version=9p2000.L,msize=512000
$b mount -t 9p -o $shares,cache=loose,ro root /lower
$b mount -t tmpfs -o size=75% memory /memory
$b mkdir /memory/upper /memory/work
$b mount -t overlay -o lowerdir=/lower,upperdir=/memory/upper,workdir=/memory/work overlay /newroot
$b mkdir -p /newroot$run
$b mount -t 9p -o $shares run /newroot$run
exec $b switch_root /newroot $busybox sh $run/${SECOND_STAGE_FILE}
`;

export interface SecondStageOptions {
  /** The run folder; the same path in the guest. */
  readonly run: string;
  readonly busybox: string;
  /** The folder with the guest kernel's modules. */
  readonly modules: string;
  /** Folder of the writable share for results; the same path in the guest. */
  readonly results: string;
  /** The size of the caller's terminal, or undefined when the command gets no terminal. */
  readonly terminal: { readonly rows: number; readonly columns: number } | undefined;
}

/** Quotes a word for sh. */
export function shellWord(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** In the host's file system: a machine's usual mounts and modules, then the command, then power off. */
export function secondStage(options: SecondStageOptions): string {
  return `
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
b=${shellWord(options.busybox)}
run=${shellWord(options.run)}
results=${shellWord(options.results)}
$b mount -t proc proc /proc
$b mount -t sysfs sysfs /sys
$b mount -t devtmpfs devtmpfs /dev
$b mkdir -p /dev/pts /dev/shm
$b mount -t devpts -o mode=620,ptmxmode=666 devpts /dev/pts
$b mount -t tmpfs -o mode=1777 shm /dev/shm
$b mount -t tmpfs -o mode=755 run /run
$b mount -t cgroup2 cgroup2 /sys/fs/cgroup
$b ln -s /proc/self/fd /dev/fd
for i in 0 1 2; do $b ln -s /proc/self/fd/$i /dev/$($b printf 'stdin\\nstdout\\nstderr\\n' | $b sed -n $((i + 1))p); done
$b mkdir -p /run/lock /run/netns /run/holdfast-guest /lib/modules
$b mkdir -p -m 1777 /run/postgresql
$b mkdir -p $results
$b mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000 results $results
$b mount --bind ${shellWord(options.modules)} /lib/modules
modprobe -a virtio_console ip_vs ip_vs_rr ip_vs_wrr ip_vs_lc ip_vs_wlc veth bridge macvlan
modprobe dummy numdummies=0
$b hostname guest
$b ip link set lo up
port() {
  for folder in /sys/class/virtio-ports/*; do
    [ "$($b cat $folder/name 2>/dev/null)" = "$1" ] && echo /dev/\${folder##*/}
  done
}
${options.terminal === undefined ? TO_PIPES : onTerminal(options.terminal)}
echo $status > $run/${STATUS_FILE}.new
$b mv $run/${STATUS_FILE}.new $run/${STATUS_FILE}
$b sync
$b poweroff -f
`;
}

/** Ports cannot be opened twice, as /dev/stdout would be; so the command gets pipes. */
const TO_PIPES = `
cd /run/holdfast-guest
$b mkfifo out err
$b cat out > $(port ${OUT_PORT}) & out=$!
$b cat err > $(port ${ERR_PORT}) & err=$!
/bin/sh $run/${COMMAND_FILE} < /dev/null > out 2> err
status=$?
# What the command left running may hold the pipes for ever.
($b sleep 2; $b kill $out $err 2>/dev/null) &
wait $out $err
`;

/** The virtio console is a terminal: keys, raw mode and signals work as usual. */
function onTerminal(terminal: { readonly rows: number; readonly columns: number }): string {
  return `
$b stty -F /dev/hvc0 sane rows ${terminal.rows} cols ${terminal.columns}
$b setsid -c /bin/sh $run/${COMMAND_FILE} <> /dev/hvc0 >&0 2>&1
status=$?
`;
}
