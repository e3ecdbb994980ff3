/** The VMM's end of a vfio-user socket, as little of it as a benchmark needs: prepared messages, and a wait for the answer. */
import { type Native, VfioUserServer, type Waiter } from '../src/hypervisor/index.js';
import { COMMAND, FLAG, HEADER, REGION, WRITE_ONE_BYTES } from '../src/hypervisor/vfio-user/protocol.js';
import type { Vgpu } from '../src/vgpu/index.js';

/** One write in a message of several. */
export interface Write {
  readonly offset: number;
  readonly bytes: 4 | 8;
  readonly value: number;
}

function message(command: number, flags: number, body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEADER.BYTES + body.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(HEADER.ID, 1, true);
  view.setUint16(HEADER.COMMAND, command, true);
  view.setUint32(HEADER.SIZE, bytes.length, true);
  view.setUint32(HEADER.FLAGS, flags, true);
  bytes.set(body, HEADER.BYTES);
  return bytes;
}

function access(offset: number, count: number, dataBytes: number, value = 0): Uint8Array {
  const body = new Uint8Array(REGION.IO_BYTES + dataBytes);
  const view = new DataView(body.buffer);
  view.setUint32(0, offset, true);
  view.setUint32(8, REGION.BAR0, true);
  view.setUint32(12, count, true);
  if (dataBytes > 0) view.setUint32(REGION.IO_BYTES, value, true);
  return body;
}

export const readMessage = (offset: number): Uint8Array => message(COMMAND.REGION_READ, 0, access(offset, 4, 0));

export const postedWrite = ({ offset, bytes, value }: Write): Uint8Array =>
  message(COMMAND.REGION_WRITE, FLAG.NO_REPLY, access(offset, bytes, bytes, value));

export function postedWrites(writes: readonly Write[]): Uint8Array {
  const body = new Uint8Array(8 + writes.length * WRITE_ONE_BYTES);
  new DataView(body.buffer).setUint32(0, writes.length, true);
  writes.forEach(({ offset, bytes, value }, i) => {
    body.set(access(offset, bytes, 8, value), 8 + i * WRITE_ONE_BYTES);
  });
  return message(COMMAND.REGION_WRITE_MULTI, FLAG.NO_REPLY, body);
}

/** Bytes of the answer to readMessage(). */
export const READ_REPLY_BYTES = HEADER.BYTES + REGION.IO_BYTES + 4;

/** A server whose device is this vGPU. */
export function serve(native: Native, waiter: Waiter, vgpu: Vgpu, path: string): VfioUserServer {
  return new VfioUserServer({
    path,
    native,
    waiter,
    apertureBytes: 512 * 2 ** 20,
    frameBase: 0x1000000,
    makeGuest: (port) => {
      vgpu.attach(port);
      return vgpu;
    },
    onDetach: () => vgpu.detach(),
  });
}

/** Throws for a negative result: in a benchmark nothing may fail. */
export function must(result: number, what: string): number {
  if (result < 0) throw new Error(`${what} failed: errno ${-result}`);
  return result;
}

/** One end of a stream socket. */
export class Peer {
  readonly #native: Native;
  readonly #ep: number;
  readonly #ready = new Int32Array(4);
  readonly #fds = new Int32Array(256);
  readonly #in = new Uint8Array(65536);

  constructor(
    native: Native,
    readonly fd: number,
  ) {
    this.#native = native;
    this.#ep = must(native.epollCreate(), 'epoll');
    must(native.epollSet(this.#ep, fd, 1, 0), 'epoll');
  }

  send(bytes: Uint8Array): void {
    const sent = must(this.#native.send(this.fd, bytes, 0, bytes.length), 'send');
    if (sent !== bytes.length) throw new Error(`the socket took ${sent} of ${bytes.length} bytes`);
  }

  /** Sleeps until there is something to read. */
  wait(): void {
    must(this.#native.epollWait(this.#ep, Number.POSITIVE_INFINITY, this.#ready, 0), 'wait');
  }

  /** Takes what is there. @returns its first bytes' number, 0 at the end of the stream */
  take(): number {
    return must(this.#native.recv(this.fd, this.#in, 0, this.#in.length, this.#fds), 'receive');
  }

  /** Takes one answer of a known size. @returns its last dword */
  answer(bytes: number): number {
    const got = this.take();
    if (got !== bytes) throw new Error(`an answer of ${got} bytes, ${bytes} were due`);
    return this.#in[got - 4]!;
  }

  close(): void {
    this.#native.close(this.#ep);
    this.#native.close(this.fd);
  }
}

/** Connects to a server, and says what a VMM says first. `serveOnce` lets a server of the same thread have its turn. */
export function attach(native: Native, path: string, serveOnce: () => void): Peer {
  const peer = new Peer(native, must(native.connect(path), 'connect'));
  const text = new TextEncoder().encode('{"capabilities":{"write_multiple":true}}\0');
  const body = new Uint8Array(4 + text.length);
  body.set(text, 4);
  peer.send(message(COMMAND.VERSION, 0, body));
  serveOnce();
  peer.wait();
  peer.take();
  return peer;
}
