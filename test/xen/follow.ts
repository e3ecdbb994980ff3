/** Follows a file that another program appends to, as lines that one can wait on. */
import { closeSync, openSync, readSync } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';
import { Lines } from '../guest/lines.js';

const POLL_MS = 100;
const CHUNK = 65_536;

export class Follower {
  readonly lines: Lines;
  readonly #path: string;
  readonly #timer: NodeJS.Timeout;
  readonly #decoder = new StringDecoder('utf8');
  readonly #buffer = Buffer.alloc(CHUNK);
  #file = -1;
  #at = 0;

  constructor(path: string, onLine?: (line: string) => void) {
    this.#path = path;
    this.lines = new Lines(onLine);
    this.#timer = setInterval(() => this.poll(), POLL_MS);
  }

  /** Takes what is there now. */
  poll(): void {
    if (this.#file < 0 && !this.#open()) return;
    for (;;) {
      const count = readSync(this.#file, this.#buffer, 0, CHUNK, this.#at);
      if (count === 0) return;
      this.#at += count;
      this.lines.push(this.#decoder.write(this.#buffer.subarray(0, count)));
    }
  }

  close(reason: string): void {
    clearInterval(this.#timer);
    this.poll();
    if (this.#file >= 0) closeSync(this.#file);
    this.#file = -1;
    this.lines.close(reason);
  }

  #open(): boolean {
    try {
      this.#file = openSync(this.#path, 'r');
      return true;
    } catch (error) {
      // The other program has not made it yet.
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false;
      throw error;
    }
  }
}
