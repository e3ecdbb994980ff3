/** A growing list of lines that one can wait on: a guest's serial console, or a daemon's log. */
import { XengtError } from '../../src/base/index.js';

interface Waiter {
  readonly pattern: RegExp;
  next: number;
  readonly found: (match: RegExpExecArray) => void;
  readonly failed: (error: XengtError) => void;
}

const TAIL_LINES = 12;

export class Lines {
  readonly all: string[] = [];
  #partial = '';
  #closedBecause: string | undefined;
  readonly #waiters = new Set<Waiter>();
  readonly #listener: ((line: string) => void) | undefined;

  constructor(listener?: (line: string) => void) {
    this.#listener = listener;
  }

  push(text: string): void {
    const parts = (this.#partial + text).split('\n');
    this.#partial = parts.pop() ?? '';
    for (const part of parts) this.#add(part);
  }

  /** No line will come any more; who still waits is told why. */
  close(reason: string): void {
    if (this.#closedBecause !== undefined) return;
    if (this.#partial !== '') this.#add(this.#partial);
    this.#partial = '';
    this.#closedBecause = reason;
    for (const waiter of this.#waiters) waiter.failed(this.#failure(waiter.pattern, reason));
    this.#waiters.clear();
  }

  /** The first line at or after index `from` that matches; an error after `timeoutMs` or when the source ends. */
  waitFor(pattern: RegExp, timeoutMs: number, from = 0): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiters.delete(waiter);
        reject(this.#failure(pattern, `nothing within ${Math.round(timeoutMs / 1000)} s`));
      }, timeoutMs);
      const waiter: Waiter = {
        pattern,
        next: from,
        found: (match) => {
          clearTimeout(timer);
          resolve(match);
        },
        failed: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      };
      if (this.#serve(waiter)) return;
      if (this.#closedBecause === undefined) this.#waiters.add(waiter);
      else waiter.failed(this.#failure(pattern, this.#closedBecause));
    });
  }

  #add(raw: string): void {
    const line = raw.replace(/\r/g, '');
    this.all.push(line);
    this.#listener?.(line);
    for (const waiter of this.#waiters) if (this.#serve(waiter)) this.#waiters.delete(waiter);
  }

  #serve(waiter: Waiter): boolean {
    for (; waiter.next < this.all.length; waiter.next++) {
      const match = waiter.pattern.exec(this.all[waiter.next] ?? '');
      if (match === null) continue;
      waiter.found(match);
      return true;
    }
    return false;
  }

  #failure(pattern: RegExp, reason: string): XengtError {
    const tail = this.all.slice(-TAIL_LINES).map((line) => `  | ${line}`);
    return new XengtError('XENGT_E_UNAVAILABLE', [`Waited for ${pattern}: ${reason}; last lines:`, ...tail].join('\n'));
  }
}
