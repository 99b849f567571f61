import { parseConfig } from "../../src/config/index.ts";
import type { VrrpConfig } from "../../src/config/vrrp.types.ts";
import { setUpWith } from "./vrrpDriverLab.ts";

/** From the text of a file to what the router does on a fake host: whether a keyword acts, and not only whether it is read. */

export function vrrpOf(text: string): VrrpConfig {
  const { config, diagnostics } = parseConfig(text, "t.conf");
  if (config === undefined) throw new Error(diagnostics.map(({ message }) => message).join("\n"));
  return config.vrrp;
}

export const VIP = "virtual_ipaddress {\n10.0.2.10/24\n}\n";

export interface FileText {
  /** Lines of the instance. */
  readonly own?: string;
  /** Lines of global_defs. */
  readonly global?: string;
  /** Blocks beside them. */
  readonly beside?: string;
}

/** VRID 1 on eth0, without a second round of gratuitous ARP unless the text says otherwise. */
export function fileText({ own = VIP, global = "", beside = "" }: FileText): string {
  return `global_defs {\n${global}\n}\n${beside}\nvrrp_instance RW {\ninterface eth0\nvirtual_router_id 1\n${own}\n}\n`;
}

/** eth0 has 10.0.2.1 and fe80::1, eth1 10.0.3.1. */
export function hostOf(text: FileText) {
  const lab = setUpWith(vrrpOf(fileText(text)));
  lab.host.addLink("eth0", "10.0.2.1/24", "10.0.2.3/24", "fe80::1/64");
  lab.host.addLink("eth1", "10.0.3.1/24");
  return lab;
}
