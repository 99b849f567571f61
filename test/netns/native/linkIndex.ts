import type { Namespace } from "../../lab/netns.ts";

/** The index of a device in a namespace. */
export async function linkIndex(namespace: Namespace, device = "eth0"): Promise<number> {
  const [link] = JSON.parse(await namespace.ip("-json", "link", "show", "dev", device)) as { ifindex: number }[];
  if (link === undefined) throw new Error(`${namespace.name} has no device ${device}`);
  return link.ifindex;
}
