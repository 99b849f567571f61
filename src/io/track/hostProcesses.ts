import type { ProcessFacts, ProcessWatch, ProcessWatchMode } from "../../core/processes.ts";
import {
  decodeProcessEvents,
  encodeProcessEvents,
  PROCESS_CONNECTOR,
  type ProcessEvent,
} from "../../wire/netlink/connector.ts";
import type { NativeAddon, NativeSocket, ReceivedMessage } from "../addon.types.ts";
import { LINUX } from "../linux.ts";
import { decodeNetlinkAddress, netlinkAddress } from "../sockaddr.ts";
import { opened, setReceiveBuffer } from "../socketSetup.ts";
import { readProcess, readProcesses } from "./procFiles.ts";

const POLL_MS = 1_000;
/** The kernel answers LISTEN at once; in a network namespace it says nothing, or refuses. */
const ANSWER_MS = 1_000;
/** keepalived.conf(5), process_monitor_rcv_bufs: 500 000 bytes hold 1 400 processes that end at once. */
const RECEIVE_BUFFER_BYTES = 1_048_576;
const MESSAGES_AT_ONCE = 64;
const MESSAGE_BYTES_MAX = 256;

/**
 * The host's processes, kept by the kernel's process connector where that is to be had (CAP_NET_ADMIN in the host's own
 * network namespace), else by reading /proc every second. /proc is read in full at the start, when the connector
 * answers and when the kernel had to drop events.
 */
export class HostProcesses implements ProcessWatch {
  readonly #addon: NativeAddon;
  readonly #processes = new Map<number, ProcessFacts>();
  #onChange: () => void = () => undefined;
  #commandLines = false;
  #socket: NativeSocket | undefined;
  #mode: ProcessWatchMode = "polling";
  #whyPolling: string | undefined = "the kernel's process connector has not answered yet";
  #poll: NodeJS.Timeout | undefined;
  #answer: NodeJS.Timeout | undefined;

  constructor(addon: NativeAddon) {
    this.#addon = addon;
  }

  start(options: { readonly commandLines: boolean; readonly onChange: () => void }): void {
    this.stop();
    this.#commandLines = options.commandLines;
    this.#onChange = options.onChange;
    this.#scan();
    this.#poll = setInterval(() => this.#scan(), POLL_MS);
    this.#listen();
  }

  processes(): Iterable<ProcessFacts> {
    return this.#processes.values();
  }

  mode(): ProcessWatchMode {
    return this.#mode;
  }

  whyPolling(): string | undefined {
    return this.#mode === "polling" ? this.#whyPolling : undefined;
  }

  stop(): void {
    clearInterval(this.#poll);
    clearTimeout(this.#answer);
    this.#socket?.close();
    this.#socket = undefined;
    this.#mode = "polling";
    this.#processes.clear();
  }

  #scan(): void {
    this.#processes.clear();
    for (const found of readProcesses(this.#commandLines)) this.#processes.set(found.id, found);
    this.#onChange();
  }

  #listen(): void {
    try {
      this.#socket = opened(
        this.#addon.openSocket(LINUX.AF_NETLINK, LINUX.SOCK_DGRAM, LINUX.NETLINK_CONNECTOR),
        (socket) => {
          setReceiveBuffer(socket, RECEIVE_BUFFER_BYTES);
          socket.bind(netlinkAddress(0, PROCESS_CONNECTOR.idx));
          socket.startReceiving(
            MESSAGES_AT_ONCE,
            MESSAGE_BYTES_MAX,
            (messages) => this.#receive(messages),
            // ENOBUFS: events were dropped, so what we know is worth nothing.
            () => this.#scan(),
          );
          const portId = decodeNetlinkAddress(socket.address())?.portId ?? 0;
          const request = encodeProcessEvents(true, portId);
          socket.send(request, 0, request.length, netlinkAddress());
        },
      );
      this.#answer = setTimeout(() => this.#giveUp("it does not answer"), ANSWER_MS);
    } catch (error) {
      this.#giveUp(error instanceof Error ? error.message : String(error));
    }
  }

  #giveUp(cause: string): void {
    this.#socket?.close();
    this.#socket = undefined;
    this.#whyPolling = `the kernel's process connector is refused here (${cause})`;
  }

  #receive(messages: readonly ReceivedMessage[]): void {
    let changed = false;
    for (const { data, from } of messages) {
      // Anybody in the group may be sent to by a privileged process; the kernel's port is 0.
      if (decodeNetlinkAddress(from)?.portId !== 0) continue;
      for (const event of decodeProcessEvents(data)) changed = this.#take(event) || changed;
    }
    if (changed) this.#onChange();
  }

  #take(event: ProcessEvent): boolean {
    switch (event.kind) {
      case "listening":
        this.#answered(event.error);
        return false;
      case "fork": {
        // A child begins as a copy of its parent, name and command line included.
        const parent = this.#processes.get(event.parent);
        return this.#set(event.child, parent === undefined ? undefined : { ...parent, id: event.child });
      }
      case "exec":
        return this.#set(event.process, undefined);
      case "comm": {
        const known = this.#processes.get(event.process);
        return this.#set(event.process, known === undefined ? undefined : { ...known, name: event.name });
      }
      case "exit":
        return this.#processes.delete(event.process);
    }
  }

  /** Undefined: /proc says it. */
  #set(id: number, facts: ProcessFacts | undefined): boolean {
    const found = facts ?? readProcess(id, this.#commandLines);
    if (found === undefined) return this.#processes.delete(id);
    this.#processes.set(id, found);
    return true;
  }

  #answered(error: number): void {
    clearTimeout(this.#answer);
    if (error !== 0) {
      this.#giveUp(`errno ${error}`);
      return;
    }
    clearInterval(this.#poll);
    this.#mode = "events";
    // From here every change is told; what happened before is read once more.
    this.#scan();
  }
}
