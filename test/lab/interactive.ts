/** The lab on a terminal: a screen redrawn each second, and keys. */
import { wallClockMs } from "./addressWatch.ts";
import { type BalancerName, POSTGRES_NAMES } from "./articleNetwork.ts";
import { onCleanup } from "./cleanup.ts";
import type { Lab } from "./lab.ts";
import { switchover } from "./story.ts";
import { balancersText, duration, findingsText, type NamedService } from "./view.ts";

const REDRAW_MS = 1_000;
const MESSAGES_SHOWN = 16;
const CLEAR = "\x1b[2J\x1b[H";
const CTRL_C = "\x03";

interface Key {
  readonly text: string;
  act(lab: Lab): Promise<string>;
}

const killOrStart = (name: BalancerName): Key => ({
  text: `kill -9 everything of ${name}, or start it again`,
  act: async (lab) => {
    if (lab.daemon(name) === undefined) {
      await lab.startDaemon(name);
      return `${name} started`;
    }
    const { processes } = await lab.killDaemon(name);
    return `${name}: ${processes} processes killed`;
  },
});

const pullOrPlug = (name: BalancerName): Key => ({
  text: `pull the cable of ${name}, or plug it in`,
  act: async (lab) => {
    const link = lab.link(name) === "up" ? "down" : "up";
    await lab.setLink(name, link);
    return `link of ${name} ${link}`;
  },
});

const KEYS: Readonly<Record<string, Key>> = {
  s: {
    text: "switchover at Patroni, to the next server",
    act: async (lab) => `switchover:\n${findingsText(await switchover(lab))}`,
  },
  k: killOrStart("kad1"),
  K: killOrStart("kad2"),
  l: pullOrPlug("kad1"),
  L: pullOrPlug("kad2"),
};

/** Runs until `q` or Ctrl-C. */
export async function runInteractive(lab: Lab, services: readonly NamedService[]): Promise<void> {
  const { stdin, stdout } = process;
  const beganMs = wallClockMs();
  const messages: string[] = [];
  let busy: string | undefined;
  let drawing: Promise<void> | undefined;

  const draw = async (): Promise<void> => {
    const screen = balancersText(await lab.view(), services);
    const keys = Object.entries(KEYS).map(([key, { text }]) => `  ${key}  ${text}\n`);
    const doing = busy === undefined ? "" : `\n  ${busy} ...\n`;
    const primary = lab.cluster.primary() ?? "nobody";
    const told = messages.join("\n").split("\n").slice(-MESSAGES_SHOWN).join("\n");
    const age = duration(wallClockMs() - beganMs);
    const title = `holdfast's lab (${lab.cluster.kind}), ${age}; primary of ${POSTGRES_NAMES.join(", ")}: ${primary}`;
    stdout.write(`${CLEAR}${title}\n\n${screen}\nKeys\n${keys.join("")}  q  quit\n${doing}\n${told}\n`);
  };
  const redraw = (): void => {
    drawing ??= draw()
      .catch((error: unknown) => void messages.push(`cannot show: ${String(error)}`))
      .finally(() => {
        drawing = undefined;
      });
  };

  const press = async (name: string): Promise<void> => {
    const key = KEYS[name];
    if (key === undefined || busy !== undefined) return;
    busy = key.text;
    redraw();
    try {
      messages.push(await key.act(lab));
    } catch (error) {
      messages.push(`${key.text}: ${String(error)}`);
    }
    busy = undefined;
    redraw();
  };

  stdin.setRawMode(true);
  const forget = onCleanup(() => stdin.setRawMode(false));
  const timer = setInterval(redraw, REDRAW_MS);
  redraw();
  await new Promise<void>((resolve) => {
    stdin.on("data", (data) => {
      for (const name of data.toString("utf8")) {
        if (name === "q" || name === CTRL_C) resolve();
        else void press(name);
      }
    });
  });
  clearInterval(timer);
  forget();
  stdin.setRawMode(false);
  stdin.pause();
  await drawing;
  stdout.write("\n");
}
