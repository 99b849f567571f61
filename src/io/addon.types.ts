/**
 * The native addon's surface: bytes in, bytes out, errno out. Socket addresses, options and ancillary data are bytes in
 * the kernel's own layout; their encoding is in src/io/sockaddr.ts and src/wire.
 */

/** Errors thrown by every call: `code` is the errno's name, `errno` its positive number, `syscall` what failed. */
export interface NativeError extends Error {
  readonly code: string;
  readonly errno: number;
  readonly syscall: string;
}

export interface ReceivedMessage {
  /** A fresh buffer, owned by the receiver. */
  readonly data: Buffer;
  /** struct sockaddr of the sender, or empty. */
  readonly from: Buffer;
  /** Concatenated struct cmsghdr as received, or empty. */
  readonly control: Buffer;
  /** MSG_TRUNC, MSG_CTRUNC as in recvmsg(2). */
  readonly flags: number;
}

export interface NativeSocket {
  /** bind(2) with a struct sockaddr. */
  bind(address: Uint8Array): void;
  /** connect(2); for datagram sockets only. */
  connect(address: Uint8Array): void;
  setOption(level: number, name: number, value: Uint8Array): void;
  getOption(level: number, name: number, lengthMax: number): Buffer;
  /**
   * SO_ATTACH_FILTER (socket(7)) with an array of struct sock_filter; replaces the filter that was there. Throws EINVAL for
   * a program that the kernel refuses, an empty one too, RangeError for bytes that are no program.
   */
  attachFilter(program: Uint8Array): void;
  /** getsockname(2) */
  address(): Buffer;
  /** The number of the descriptor, to be handed to a child process or another thread; valid until `close`. */
  descriptor(): number;
  /** The descriptor, which from here is the caller's to close: `new net.Socket({ fd })` does. This socket is closed. */
  detach(): number;
  /** One non-blocking sendmsg(2) of `data[offset, offset + length)`; returns the bytes sent; throws EAGAIN, ENOBUFS, EMSGSIZE and all others. */
  send(data: Uint8Array, offset: number, length: number, to: Uint8Array | undefined): number;
  /** Non-blocking recvmmsg(2) of up to `countMax` messages of at most `bytesMax` each; an empty array when none waits. Pending socket errors (ENOBUFS) are thrown. */
  receive(countMax: number, bytesMax: number): ReceivedMessage[];
  /** Blocks this thread up to `timeoutMs` until the socket is readable (poll(2)); false on timeout. For netlink answers, which are there at once. */
  waitReadable(timeoutMs: number): boolean;
  /**
   * Delivers batches on this environment's own loop (uv_poll) until `close`. `onError` gets what recvmmsg fails with;
   * receiving goes on. An exception of a callback is an uncaught exception of this environment.
   */
  startReceiving(
    countMax: number,
    bytesMax: number,
    onMessages: (messages: ReceivedMessage[]) => void,
    onError: (error: NativeError) => void,
  ): void;
  stopReceiving(): void;
  /** Idempotent. Also done by the environment's cleanup hook, however the environment ends. */
  close(): void;
}

/** A timerfd on CLOCK_MONOTONIC read through uv_poll: late by 0.02 to 0.15 ms, never early. */
export interface NativeTimer {
  /** Absolute CLOCK_MONOTONIC microseconds; replaces what was armed. An instant in the past fires at once. */
  arm(atUs: number): void;
  disarm(): void;
  close(): void;
}

export interface NativeAddon {
  /** socket(2) with SOCK_CLOEXEC and SOCK_NONBLOCK added. */
  openSocket(domain: number, type: number, protocol: number): NativeSocket;
  /** socketpair(2) with SOCK_CLOEXEC and SOCK_NONBLOCK added. */
  openSocketPair(domain: number, type: number): [NativeSocket, NativeSocket];
  /**
   * A duplicate of an open descriptor, as a socket of this environment: closed with it, while the original stays. Its number
   * is at least `least`, where the limit of descriptors allows that.
   */
  adoptSocket(descriptor: number, least?: number): NativeSocket;
  openTimer(onExpired: () => void): NativeTimer;
  /** CLOCK_MONOTONIC in microseconds. */
  monotonicUs(): number;
  /** CLOCK_REALTIME in microseconds: the clock of SO_TIMESTAMPNS. For a difference of two readings that lie close together only. */
  realtimeUs(): number;
  /** gettid(2) of the calling thread. */
  threadId(): number;
  /** sched_setscheduler(2) SCHED_RR | SCHED_RESET_ON_FORK for the calling thread; throws EPERM where it is refused. */
  setRealtime(priority: number): void;
  /** setns(2) of the calling thread to a network namespace file such as /run/netns/kad1. For tests. */
  enterNetworkNamespace(path: string): void;
  /** PR_CAP_AMBIENT_CLEAR_ALL for the calling thread. */
  dropAmbientCapabilities(): void;
  /** mkfifo(3), less the umask. */
  makeFifo(path: string, mode: number): void;
  /** Non-blocking flock(2) LOCK_EX on an open descriptor; false when another process holds it. */
  lockFile(descriptor: number): boolean;
  /** Values of header constants by name, for the test that compares the TypeScript tables with the kernel's headers. */
  readonly constants: Readonly<Record<string, number>>;
}
