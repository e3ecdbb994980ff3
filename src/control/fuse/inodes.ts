/**
 * The kernel's names for what it has looked up: numbers that stay until it forgets them. A path has the same number as long as
 * the kernel knows it; what comes to be at a path after it was forgotten gets a new one.
 */
import { createHash } from 'node:crypto';
import { ROOT_ID } from './protocol.js';

/** The inode number that programs see: the same for a path in listings and everywhere else, always. */
export function inodeNumber(path: string): number {
  return path === '' ? ROOT_ID : 2 + createHash('sha1').update(path).digest().readUIntBE(0, 6);
}

interface Inode {
  readonly path: string;
  lookups: number;
}

export class Inodes {
  readonly #byId = new Map<number, Inode>([[ROOT_ID, { path: '', lookups: 1 }]]);
  readonly #byPath = new Map<string, number>([['', ROOT_ID]]);
  #last = ROOT_ID;

  /** Undefined for a number that was never given, or was forgotten. */
  pathOf(id: number): string | undefined {
    return this.#byId.get(id)?.path;
  }

  /** The number of a path that the kernel was told of once more. */
  lookUp(path: string): number {
    const known = this.#byPath.get(path);
    if (known !== undefined) {
      this.#byId.get(known)!.lookups++;
      return known;
    }
    const id = ++this.#last;
    this.#byId.set(id, { path, lookups: 1 });
    this.#byPath.set(path, id);
    return id;
  }

  forget(id: number, lookups: number): void {
    const inode = this.#byId.get(id);
    if (inode === undefined || id === ROOT_ID) return;
    inode.lookups -= lookups;
    if (inode.lookups > 0) return;
    this.#byId.delete(id);
    this.#byPath.delete(inode.path);
  }

  get size(): number {
    return this.#byId.size;
  }
}
