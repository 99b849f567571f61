import type { HostInterface } from "./hostView.ts";

/** `00:00:5e:00:01:01`; empty without one. */
export function hardwareText(link: Pick<HostInterface, "hardwareAddress">): string {
  let text = "";
  for (const byte of link.hardwareAddress ?? []) {
    text += `${text === "" ? "" : ":"}${byte.toString(16).padStart(2, "0")}`;
  }
  return text;
}
