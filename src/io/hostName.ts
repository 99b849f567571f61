import { hostname } from "node:os";

/** The host's name as uname(2) has it. */
export const hostName = (): string => hostname();
