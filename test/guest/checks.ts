/** The checks of an end-to-end run: one line each as they happen, a sum at the end. */
import { reasonOf } from '../../src/base/index.js';

export class Checks {
  #passed = 0;
  #failed = 0;

  get failed(): number {
    return this.#failed;
  }

  /** `detail` says what was seen; shown when the check fails. */
  check(name: string, holds: boolean, detail = ''): boolean {
    if (holds) this.#passed++;
    else this.#failed++;
    process.stdout.write(
      holds ? `ok      ${name}\n` : `FAILED  ${name}${detail === '' ? '' : `\n        ${detail}`}\n`,
    );
    return holds;
  }

  /** Work that must not throw; undefined if it did, which counts as a failed check. */
  async works<T>(name: string, work: () => Promise<T>): Promise<T | undefined> {
    try {
      const result = await work();
      this.check(name, true);
      return result;
    } catch (error) {
      this.check(name, false, reasonOf(error));
      return undefined;
    }
  }

  /** The closing line and the exit code. A run that checked nothing has not passed. */
  finish(): number {
    process.stdout.write(`${this.#passed} passed, ${this.#failed} failed\n`);
    return this.#failed === 0 && this.#passed > 0 ? 0 : 1;
  }
}
