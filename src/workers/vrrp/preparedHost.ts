import type { VrrpConfig } from "../../config/vrrp.types.ts";
import { BorrowedSettings, type HeldSetting } from "../../core/borrowedSettings.ts";
import type { Family } from "../../core/ip.ts";
import { sendingOf } from "./advertOutput.ts";
import { DebouncedLinks } from "./debouncedLinks.ts";
import { FollowedView } from "./followedView.ts";
import type { Report } from "./instance.ts";
import { heldAddresses } from "./leases.ts";
import type { Datagram, VrrpHost } from "./ports.ts";
import { Segments } from "./segments.ts";
import { listeningDevice, VirtualDevices, wantedDevices } from "./virtualDevices.ts";

/** A created device is prepared when a dump shows it, and brought up when another one does. */
const DEVICE_ROUNDS_MAX = 3;

export interface PreparedHostModules {
  readonly host: VrrpHost;
  readonly onDatagrams: (device: string, family: Family, datagrams: readonly Datagram[]) => void;
  readonly onSocketError: (device: string, error: unknown) => void;
  readonly report: (message: Report) => void;
  /** What a worker that died, or an earlier life, had borrowed. */
  readonly borrowed?: readonly HeldSetting[];
}

/** What an election needs of the host, followed through every change: the view, devices of our own, sockets. */
export class PreparedHost {
  readonly view: FollowedView;
  readonly links = new DebouncedLinks();
  readonly segments: Segments;
  /** Given back when nothing needs them any more, at the latest at the end. */
  readonly settings: BorrowedSettings;
  /** What is borrowed now, where the main thread has not been told yet: all at once, since a host may have thousands of interfaces. */
  #untold: readonly HeldSetting[] | undefined;
  /** Devices whose other addresses are to stay when one goes (`promote_secondaries`). */
  #promoting: ReadonlySet<string> = new Set();
  /** Warnings since the last configuration: each is told once. */
  readonly #warned = new Set<string>();
  readonly #devices: VirtualDevices;
  readonly #modules: PreparedHostModules;

  constructor(modules: PreparedHostModules) {
    const { host, onDatagrams, onSocketError, report } = modules;
    this.#modules = modules;
    this.view = new FollowedView(host);
    this.segments = new Segments({ host, onDatagrams, onError: onSocketError });
    this.settings = new BorrowedSettings(
      { read: (path) => host.readSysctl(path), write: (path, value) => host.writeSysctl(path, value) },
      {
        readBorrowedSettings: () => modules.borrowed ?? [],
        writeBorrowedSettings: (held) => {
          this.#untold = held;
        },
      },
    );
    this.#devices = new VirtualDevices({
      host,
      settings: this.settings,
      failed: (instance, what, detail) =>
        report({ kind: "alarm", instance, alarm: { kind: "hostOperationFailed", what, detail } }),
    });
  }

  /** Devices of our own, then sockets. */
  configure(config: VrrpConfig): void {
    try {
      this.#configure(config);
    } finally {
      // Also where the thread dies of it: the next one gives them back.
      this.#reportSettings();
    }
  }

  #configure(config: VrrpConfig): void {
    this.links.configure(config.linkDelays);
    this.#warned.clear();
    this.view.poll(config.linkbeatInterfaces);
    this.view.refresh();
    if (this.#devices.configure(wantedDevices(config.instances), this.view.current)) this.view.refresh();
    const promoting = config.instances.filter((instance) => instance.promoteSecondaries);
    this.#promoting = new Set(promoting.flatMap((instance) => heldAddresses(instance).map((vip) => vip.device)));
    this.#giveBackUnless((setting) => this.#devices.needs(setting) || this.#promotes(setting));
    const listening = config.instances.map((instance) => ({
      device: listeningDevice(instance),
      family: instance.family,
      group: instance.transport.kind === "multicast" ? instance.transport.group : undefined,
    }));
    const announcing = new Set(config.instances.flatMap((one) => heldAddresses(one).map((vip) => vip.device)));
    this.segments.want(listening, config.instances.map(sendingOf), announcing);
    this.#followView();
    const routes = config.instances.some((one) => one.virtualRoutes.length + one.virtualRules.length > 0);
    if (routes || config.staticRoutes.length + config.staticRules.length > 0) this.#modules.host.watchRouting();
  }

  /** Takes a new dump, and makes devices and sockets fit it. */
  follow(): void {
    this.view.refresh();
    this.#followView();
    this.#reportSettings();
  }

  /** What a predecessor has borrowed is to be given back by us. */
  adopt(settings: readonly HeldSetting[]): void {
    this.settings.inherit(settings);
    this.#reportSettings();
  }

  isUp(device: string): boolean {
    return this.links.isUp(device, this.view.current);
  }

  close(): void {
    this.view.refresh();
    this.#devices.configure([], this.view.current);
    this.#giveBackUnless(() => false);
    this.#reportSettings();
    this.segments.close();
  }

  /** Closes sockets and leaves the devices to a successor. */
  leave(): void {
    this.segments.close();
  }

  #reportSettings(): void {
    const settings = this.#untold;
    this.#untold = undefined;
    if (settings !== undefined) this.#modules.report({ kind: "borrowed", settings });
  }

  #giveBackUnless(needed: (setting: string) => boolean): void {
    for (const message of this.settings.releaseUnless(needed)) this.#warn(message);
  }

  #warn(message: string): void {
    if (this.#warned.has(message)) return;
    this.#warned.add(message);
    this.#modules.report({ kind: "log", level: "warn", fields: {}, message });
  }

  #followView(): void {
    for (let round = 0; round < DEVICE_ROUNDS_MAX && this.#devices.follow(this.view.current); round++) {
      this.view.refresh();
    }
    this.#promoteSecondaries();
    this.links.observe(this.view.current, this.#modules.host.clock.nowUs());
    this.segments.follow(this.view.current);
  }

  /** keepalived.conf(5), promote_secondaries: other addresses of a subnet stay when one goes. */
  #promoteSecondaries(): void {
    for (const device of this.#promoting) {
      if (this.view.current.named(device) === undefined) continue;
      const outcome = this.settings.hold(promoteSecondariesOf(device), "1");
      if (!outcome.ok) this.#warn(outcome.detail);
    }
  }

  #promotes(setting: string): boolean {
    return [...this.#promoting].some((device) => promoteSecondariesOf(device) === setting);
  }
}

const promoteSecondariesOf = (device: string): string => `ipv4/conf/${device}/promote_secondaries`;
