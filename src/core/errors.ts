/** Closes a switch over a union: adding a member without handling it fails to compile, and at run time is our own bug. */
export function assertNever(value: never): never {
  throw new Error(`unhandled case: ${JSON.stringify(value)}`);
}

/**
 * An error that an operator meets: `code` names the cause for programs, `message` says what is wrong and `remedy` what
 * to do about it. One subclass or one code union for each boundary.
 */
export class HoldfastError<Code extends string = string> extends Error {
  readonly code: Code;
  readonly remedy: string | undefined;

  constructor(code: Code, message: string, remedy?: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "HoldfastError";
    this.code = code;
    this.remedy = remedy;
  }
}
