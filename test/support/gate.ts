// A promise that a test opens: for steps that are to be under way until the test has seen them.

export class Gate<T = void> {
  readonly passed: Promise<T>;
  open: (value: T) => void = () => {};
  fail: (error: Error) => void = () => {};

  constructor() {
    this.passed = new Promise<T>((resolve, reject) => {
      this.open = resolve;
      this.fail = reject;
    });
  }
}
