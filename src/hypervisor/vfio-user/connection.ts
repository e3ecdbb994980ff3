/**
 * One client's socket as a sequence of messages. Reads as much as there is with one system call, hands out message by
 * message without copying, and knows which message a received descriptor belongs to.
 *
 * Which message that is: Linux ends a read after the piece of the stream that carried descriptors (unix(7); each sendmsg
 * makes such a piece), and VMMs send each message with one sendmsg. So descriptors belong to the last message that begins
 * within what one read returned. A client that glues messages together gets the later one refused for the descriptors,
 * and harms nobody else.
 */
import { constants } from 'node:os';
import type { Native } from '../native.js';
import { HEADER, LONGEST_FRAME, LONGEST_MESSAGE, type Rule } from './protocol.js';

const BUFFER_BYTES = 2 * LONGEST_MESSAGE;
/** A count and the most descriptors that the kernel delivers with one read. */
const FD_SLOT_LENGTH = 256;

const { EAGAIN, EWOULDBLOCK } = constants.errno;

/** Descriptors that came with one read, until the message that they belong to is handed out. */
interface FdSlot {
  used: boolean;
  /** Where the message begins in the buffer. */
  owner: number;
  readonly list: Int32Array;
}

const newSlot = (): FdSlot => ({ used: false, owner: -1, list: new Int32Array(FD_SLOT_LENGTH) });

/** What receive() came to. */
export const RECEIVED = { DATA: 0, NOTHING: 1, END: 2, ERROR: 3 } as const;
export type Received = (typeof RECEIVED)[keyof typeof RECEIVED];

/** What next() came to. */
export const NEXT = { NONE: 0, MESSAGE: 1, TOO_LONG: 2, LOST: 3 } as const;
export type Next = (typeof NEXT)[keyof typeof NEXT];

export class Connection {
  readonly fd: number;
  readonly #native: Native;

  readonly bytes = new Uint8Array(BUFFER_BYTES);
  readonly view = new DataView(this.bytes.buffer);
  /** The message that next() handed out: where its header begins, and its size with header. */
  at = 0;
  size = 0;
  /** Its descriptors: [count, fd, fd, ...]; whoever keeps one puts -1 in its place. */
  fds: Int32Array = new Int32Array(2);
  #current: FdSlot | null = null;
  /** Why next() lost the framing. */
  lost: Rule = 'framing.size';
  /** Result of the system call that failed. */
  errno = 0;
  /** True when the last receive() took all that there was. */
  emptied = false;
  received = 0;
  sent = 0;

  #start = 0;
  #end = 0;
  /** Bytes of a message too long to be kept that have yet to arrive. */
  #skip = 0;
  /** At most one message is incomplete at a time, so that two slots are enough: its own, and the newest. */
  readonly #slots: readonly [FdSlot, FdSlot] = [newSlot(), newSlot()];
  readonly #none = new Int32Array(2);

  readonly out = new Uint8Array(LONGEST_MESSAGE);
  readonly outView = new DataView(this.out.buffer);
  #outAt = 0;
  #outEnd = 0;
  /** Rules broken by what came outside of any message. */
  readonly onStray: (rule: Rule) => void;

  constructor(native: Native, fd: number, onStray: (rule: Rule) => void) {
    this.#native = native;
    this.fd = fd;
    this.onStray = onStray;
  }

  /** True while part of an answer waits for the client to read. */
  get blocked(): boolean {
    return this.#outAt < this.#outEnd;
  }

  /** True while a message has begun and not ended. */
  get partial(): boolean {
    return this.#start < this.#end || this.#skip > 0;
  }

  receive(): Received {
    if (this.#start > 0) this.#compact();
    const slot = this.#slots[0].used ? this.#slots[1] : this.#slots[0];
    const room = BUFFER_BYTES - this.#end;
    const got = this.#native.recv(this.fd, this.bytes, this.#end, room, slot.list);
    if (got <= 0) {
      this.emptied = true;
      if (got === 0) return RECEIVED.END;
      if (got === -EAGAIN || got === -EWOULDBLOCK) return RECEIVED.NOTHING;
      this.errno = got;
      return RECEIVED.ERROR;
    }
    this.emptied = got < room;
    this.received += got;
    const from = this.#end;
    this.#end += got;
    if (slot.list[0] !== 0) this.#assignFds(slot, from);
    return RECEIVED.DATA;
  }

  #compact(): void {
    this.bytes.copyWithin(0, this.#start, this.#end);
    for (const slot of this.#slots) if (slot.used) slot.owner -= this.#start;
    this.#end -= this.#start;
    this.#start = 0;
  }

  /** Finds the last message that begins at or after `from`, where the read that brought descriptors began. */
  #assignFds(slot: FdSlot, from: number): void {
    let at = this.#start + this.#skip;
    for (;;) {
      if (at + HEADER.BYTES > this.#end) break;
      const next = at + Math.max(HEADER.BYTES, this.view.getUint32(at + HEADER.SIZE, true));
      if (next >= this.#end) break;
      at = next;
    }
    slot.used = true;
    slot.owner = at;
    if (at >= from && at < this.#end) return;
    this.onStray('message.descriptors-stray');
    this.#closeFds(slot);
  }

  /**
   * Steps to the next message: `at`, `size` and `fds` tell where it is. TOO_LONG: only the header is there, and the rest
   * will be passed over.
   */
  next(): Next {
    if (this.#skip > 0) {
      const passed = Math.min(this.#skip, this.#end - this.#start);
      this.#skip -= passed;
      this.#start += passed;
      if (this.#skip > 0) return NEXT.NONE;
    }
    const available = this.#end - this.#start;
    if (available < HEADER.BYTES) return NEXT.NONE;
    const at = this.#start;
    const size = this.view.getUint32(at + HEADER.SIZE, true);
    if (size < HEADER.BYTES || size > LONGEST_FRAME) {
      this.lost = size < HEADER.BYTES ? 'framing.size' : 'framing.too-long';
      return NEXT.LOST;
    }
    const tooLong = size > LONGEST_MESSAGE;
    if (available < size && !tooLong) return NEXT.NONE;
    this.at = at;
    this.size = tooLong ? HEADER.BYTES : size;
    const taken = Math.min(size, available);
    this.#start += taken;
    this.#skip = size - taken;
    this.#takeFds(at);
    return tooLong ? NEXT.TOO_LONG : NEXT.MESSAGE;
  }

  #takeFds(at: number): void {
    const [a, b] = this.#slots;
    const slot = a.used && a.owner === at ? a : b.used && b.owner === at ? b : null;
    this.#current = slot;
    this.fds = slot === null ? this.#none : slot.list;
  }

  /** The message that next() handed out is done with: closes those of its descriptors that nobody kept. */
  done(): void {
    if (this.#current !== null) this.#closeFds(this.#current);
  }

  #closeFds(slot: FdSlot): void {
    const { list } = slot;
    for (let i = 1; i <= list[0]!; i++) if (list[i]! >= 0) this.#native.close(list[i]!);
    list[0] = 0;
    slot.used = false;
    if (this.#current === slot) {
      this.#current = null;
      this.fds = this.#none;
    }
  }

  /** Sends the first `bytes` of `out`. @returns false when the client is gone */
  send(bytes: number): boolean {
    this.#outAt = 0;
    this.#outEnd = bytes;
    return this.flush();
  }

  /** Goes on sending. @returns false when the client is gone */
  flush(): boolean {
    while (this.#outAt < this.#outEnd) {
      const sent = this.#native.send(this.fd, this.out, this.#outAt, this.#outEnd - this.#outAt);
      if (sent === -EAGAIN || sent === -EWOULDBLOCK) return true;
      if (sent <= 0) {
        this.errno = sent;
        return false;
      }
      this.#outAt += sent;
      this.sent += sent;
    }
    return true;
  }

  close(): void {
    for (const slot of this.#slots) if (slot.used) this.#closeFds(slot);
    this.#native.close(this.fd);
  }
}
