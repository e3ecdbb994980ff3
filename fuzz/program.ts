/** A stream under construction: commands in one flat buffer, in an order of their own, so that mutation moves indices only. */
import type { Random } from './random.js';

const POOL_DWORDS = 8192;
const MOST_COMMANDS = 256;

export class Program {
  readonly pool = new Uint32Array(POOL_DWORDS);
  readonly at = new Int32Array(MOST_COMMANDS);
  readonly length = new Int32Array(MOST_COMMANDS);
  count = 0;
  #used = 0;

  clear(): void {
    this.count = 0;
    this.#used = 0;
  }

  /** Begins a command: dwords follow by put(). */
  begin(header: number): void {
    if (this.count === MOST_COMMANDS) return;
    this.at[this.count] = this.#used;
    this.length[this.count++] = 0;
    this.put(header);
  }

  put(dword: number): void {
    if (this.#used === POOL_DWORDS || this.count === 0) return;
    this.pool[this.#used++] = dword;
    this.length[this.count - 1]!++;
  }

  command(dwords: ArrayLike<number>): void {
    this.begin(dwords[0]!);
    for (let i = 1; i < dwords.length; i++) this.put(dwords[i]!);
  }

  /** The header of the command that was begun last. */
  get last(): number {
    return this.pool[this.at[this.count - 1]!]!;
  }
  set last(header: number) {
    this.pool[this.at[this.count - 1]!] = header;
  }

  /** A command again, at the place of another. Both share their dwords, as a driver's template would. */
  duplicate(from: number, to: number): void {
    if (this.count === MOST_COMMANDS) return;
    this.#move(to, this.count, 1);
    this.count++;
    const source = from >= to ? from + 1 : from;
    this.at[to] = this.at[source]!;
    this.length[to] = this.length[source]!;
  }

  delete(index: number): void {
    this.#move(index + 1, this.count, -1);
    this.count--;
  }

  swap(a: number, b: number): void {
    const [at, length] = [this.at[a]!, this.length[a]!];
    this.at[a] = this.at[b]!;
    this.length[a] = this.length[b]!;
    this.at[b] = at;
    this.length[b] = length;
  }

  /** Dword `index` of all that was put, for reading and changing wherever it is. */
  randomDword(random: Random): number {
    if (this.count === 0) return -1;
    const command = random.below(this.count);
    // headers and first operands are where meaning is
    const within = random.chance(1, 3) ? 0 : random.below(Math.max(1, this.length[command]!));
    return this.at[command]! + within;
  }

  /** @returns dwords written to `into`, at most all that fit */
  emit(into: Uint32Array, most: number): number {
    let done = 0;
    for (let i = 0; i < this.count; i++) {
      const count = Math.min(this.length[i]!, most - done);
      for (let j = 0; j < count; j++) into[done + j] = this.pool[this.at[i]! + j]!;
      done += count;
    }
    return done;
  }

  #move(from: number, to: number, by: number): void {
    this.at.copyWithin(from + by, from, to);
    this.length.copyWithin(from + by, from, to);
  }
}
