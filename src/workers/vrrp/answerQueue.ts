interface Waiting<Value> {
  readonly resolve: (value: Value) => void;
  readonly reject: (error: Error) => void;
}

/** Questions of one kind to another thread, which answers them in the order in which they are asked. */
export class AnswerQueue<Value = void> {
  #waiting: Waiting<Value>[] = [];

  /** `ask` sends the question. */
  next(ask: () => void): Promise<Value> {
    return new Promise<Value>((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      ask();
    });
  }

  answer(value: Value): void {
    this.#waiting.shift()?.resolve(value);
  }

  /** Nobody answers any more. */
  rejectAll(error: Error): void {
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }
}
