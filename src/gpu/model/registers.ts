/**
 * The device's register bank: flat storage, and for each dword the number of a reader and a writer. Number 0 is plain storage.
 */
export const REGISTER_BYTES = 0x200000;
const DWORDS = REGISTER_BYTES / 4;

export type ReadHandler = (offset: number) => number;
export type WriteHandler = (offset: number, value: number) => void;

export class RegisterFile {
  readonly bank = new Uint32Array(DWORDS);
  /** Accesses that no register answers: outside the bank, or not on a dword. */
  strayAccesses = 0;
  readonly #readId = new Uint8Array(DWORDS);
  readonly #writeId = new Uint8Array(DWORDS);
  readonly #readers: ReadHandler[] = [(offset) => this.bank[offset >>> 2]!];
  readonly #writers: WriteHandler[] = [
    (offset, value) => {
      this.bank[offset >>> 2] = value;
    },
  ];

  read(offset: number): number {
    if (!this.#exists(offset)) return 0;
    const id = this.#readId[offset >>> 2]!;
    return id === 0 ? this.bank[offset >>> 2]! : this.#readers[id]!(offset) >>> 0;
  }

  write(offset: number, value: number): void {
    if (!this.#exists(offset)) return;
    const id = this.#writeId[offset >>> 2]!;
    if (id === 0) this.bank[offset >>> 2] = value;
    else this.#writers[id]!(offset, value >>> 0);
  }

  /** Stored value, without side effects. */
  get(offset: number): number {
    return this.bank[offset >>> 2]!;
  }
  set(offset: number, value: number): void {
    this.bank[offset >>> 2] = value;
  }

  onRead(offset: number, handler: ReadHandler): void {
    this.#readId[offset >>> 2] = this.#number(this.#readers, handler);
  }
  onWrite(offset: number, handler: WriteHandler): void {
    this.#writeId[offset >>> 2] = this.#number(this.#writers, handler);
  }

  /** The upper half of a value written to a masked register says which bits of the lower half count. */
  mergeMasked(offset: number, value: number): number {
    const mask = value >>> 16;
    const merged = (this.bank[offset >>> 2]! & ~mask) | (value & mask);
    this.bank[offset >>> 2] = merged & 0xffff;
    return merged & 0xffff;
  }

  #exists(offset: number): boolean {
    if (offset >= 0 && offset < REGISTER_BYTES && (offset & 3) === 0) return true;
    this.strayAccesses++;
    return false;
  }

  #number<H>(handlers: H[], handler: H): number {
    const known = handlers.indexOf(handler);
    return known >= 0 ? known : handlers.push(handler) - 1;
  }
}
