/**
 * The vGPUs that one policy chooses among, as flat columns in the order of their turns. A pick looks at every column of the few
 * vGPUs there are and allocates nothing.
 */
import { NEVER } from '../../base/index.js';
import type { Share } from './contract.js';

const FIRST_ROOM = 8;

export class Candidates {
  /** How many there are; rows are 0 to count - 1. */
  count = 0;
  /** How many of them have work. */
  readyCount = 0;
  weights = 0;
  ids = new Int32Array(FIRST_ROOM);
  weight = new Float64Array(FIRST_ROOM);
  isReady = new Uint8Array(FIRST_ROOM);
  /** Time left of the slice; below zero a debt. */
  left = new Float64Array(FIRST_ROOM);
  /** Its last turn ended before its slice, for it was a moment too late. */
  owed = new Uint8Array(FIRST_ROOM);
  /** How long it takes it to queue something more when its queue has run empty. */
  think = new Float64Array(FIRST_ROOM);
  idleSince = new Float64Array(FIRST_ROOM);
  /** When it last had work, or was seen to have had some. */
  seen = new Float64Array(FIRST_ROOM);
  /** Shares to come, by row; null where nothing changes. */
  readonly #coming: (Share | null)[] = [];
  #changes = false;

  /** @returns the row, -1 where it is none of these */
  find(vgpu: number): number {
    for (let row = 0; row < this.count; row++) if (this.ids[row] === vgpu) return row;
    return -1;
  }

  add(vgpu: number, share: Share): number {
    if (this.count === this.ids.length) this.#grow();
    const row = this.count++;
    this.ids[row] = vgpu;
    this.weight[row] = share.weight;
    this.weights += share.weight;
    this.isReady[row] = 0;
    this.left[row] = 0;
    this.owed[row] = 0;
    this.think[row] = 0;
    this.idleSince[row] = 0;
    this.seen[row] = Number.NEGATIVE_INFINITY;
    this.#coming[row] = null;
    return row;
  }

  /** When another than the one in `row` last had work; NEVER where one has. */
  othersSeen(row: number): number {
    if (this.readyCount > this.isReady[row]!) return NEVER;
    let last = Number.NEGATIVE_INFINITY;
    for (let other = 0; other < this.count; other++) if (other !== row) last = Math.max(last, this.seen[other]!);
    return last;
  }

  remove(row: number): void {
    this.setReady(row, false);
    this.weights -= this.weight[row]!;
    for (const column of this.#columns()) column.copyWithin(row, row + 1, this.count);
    this.#coming.splice(row, 1);
    this.count--;
  }

  setReady(row: number, ready: boolean): void {
    if ((this.isReady[row] === 1) === ready) return;
    this.isReady[row] = ready ? 1 : 0;
    this.readyCount += ready ? 1 : -1;
  }

  change(row: number, share: Share): void {
    this.#coming[row] = share;
    this.#changes = true;
  }

  /** Puts the shares in force that were asked for. */
  applyChanges(): void {
    if (!this.#changes) return;
    this.#changes = false;
    for (let row = 0; row < this.count; row++) {
      const share = this.#coming[row];
      if (!share) continue;
      this.weights += share.weight - this.weight[row]!;
      this.weight[row] = share.weight;
      this.#coming[row] = null;
    }
  }

  #columns() {
    return [this.ids, this.weight, this.isReady, this.left, this.owed, this.think, this.idleSince, this.seen];
  }

  #grow(): void {
    const room = 2 * this.ids.length;
    const wider = (column: Float64Array) => {
      const copy = new Float64Array(room);
      copy.set(column);
      return copy;
    };
    this.ids = Int32Array.from({ length: room }, (_, i) => this.ids[i] ?? 0);
    this.isReady = Uint8Array.from({ length: room }, (_, i) => this.isReady[i] ?? 0);
    this.owed = Uint8Array.from({ length: room }, (_, i) => this.owed[i] ?? 0);
    this.weight = wider(this.weight);
    this.left = wider(this.left);
    this.think = wider(this.think);
    this.idleSince = wider(this.idleSince);
    this.seen = wider(this.seen);
  }
}
