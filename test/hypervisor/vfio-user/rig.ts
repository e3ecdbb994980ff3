/** What the tests of this folder share: a device that remembers what it was asked, and a client that speaks as QEMU does. */
import { closeSync, ftruncateSync, mkdtempSync, openSync, readdirSync, rmSync, writeSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Native } from '../../../src/hypervisor/native.js';
import { type GuestPort, SPACE, type TrapSink } from '../../../src/hypervisor/port.js';
import { VfioUserServer } from '../../../src/hypervisor/vfio-user/index.js';
import { COMMAND, FLAG, HEADER } from '../../../src/hypervisor/vfio-user/protocol.js';
import { Waiter } from '../../../src/hypervisor/waiter.js';

export const APERTURE = 64 * 2 ** 20;
export const FRAME_BASE = 0x1000000;
export const MIB = 2 ** 20;

/** A device of plain registers. */
export class PlainDevice implements TrapSink {
  readHi = 0;
  resets = 0;
  writes: { space: number; offset: number; bytes: number; lo: number; hi: number }[] = [];
  readonly config = new Uint8Array(256).map((_, i) => i);
  /** Set: the next access throws it. */
  fault: Error | null = null;

  read(space: number, offset: number, bytes: number): number {
    if (this.fault) throw this.fault;
    if (space === SPACE.CONFIG) {
      let value = 0;
      for (let i = 0; i < Math.min(bytes, 4); i++) value |= this.config[offset + i]! << (8 * i);
      this.readHi = 0x77;
      return value;
    }
    this.readHi = 0x11223344;
    return (offset ^ 0xabcd0000) >>> 0;
  }
  write(space: number, offset: number, bytes: number, lo: number, hi: number): void {
    if (this.fault) throw this.fault;
    this.writes.push({ space, offset, bytes, lo, hi });
  }
  reset(): void {
    this.resets++;
  }
  readConfigBlock(offset: number, into: Uint8Array): void {
    into.set(this.config.subarray(offset, offset + into.length));
  }
}

export interface Reply {
  readonly id: number;
  readonly command: number;
  readonly flags: number;
  readonly errno: number;
  readonly body: DataView;
}

/** The client's end of a socket. */
export class TestClient {
  readonly fd: number;
  readonly #native: Native;
  readonly #fds = new Int32Array(256);
  #pending = new Uint8Array(0);
  #id = 100;
  open = true;

  constructor(native: Native, fd: number) {
    this.#native = native;
    this.fd = fd;
  }

  /** Sends bytes as they are. @returns bytes taken, or -errno */
  raw(bytes: Uint8Array, fds?: readonly number[]): number {
    return this.#native.send(this.fd, bytes, 0, bytes.length, fds ? Int32Array.from(fds) : undefined);
  }

  /** One message; `flags` and `size` may lie. @returns its id */
  send(
    command: number,
    body: Uint8Array,
    more: { flags?: number; fds?: readonly number[]; size?: number } = {},
  ): number {
    const id = this.#id++;
    const taken = this.raw(message(id, command, body, more.flags ?? 0, more.size), more.fds);
    if (taken !== HEADER.BYTES + body.length) throw new Error(`the socket took ${taken} bytes`);
    return id;
  }

  /** All replies that have arrived. `open` turns false at the end of the stream. */
  replies(): Reply[] {
    const chunk = new Uint8Array(65536);
    while (this.open) {
      const got = this.#native.recv(this.fd, chunk, 0, chunk.length, this.#fds);
      if (got === -constants.errno.EAGAIN) break;
      if (got <= 0) {
        this.open = false;
        break;
      }
      const joined = new Uint8Array(this.#pending.length + got);
      joined.set(this.#pending);
      joined.set(chunk.subarray(0, got), this.#pending.length);
      this.#pending = joined;
    }
    const found: Reply[] = [];
    for (;;) {
      const bytes = this.#pending;
      if (bytes.length < HEADER.BYTES) return found;
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      const size = view.getUint32(HEADER.SIZE, true);
      if (bytes.length < size) return found;
      found.push({
        id: view.getUint16(HEADER.ID, true),
        command: view.getUint16(HEADER.COMMAND, true),
        flags: view.getUint32(HEADER.FLAGS, true),
        errno: view.getUint32(HEADER.ERROR, true),
        body: new DataView(bytes.slice(HEADER.BYTES, size).buffer),
      });
      this.#pending = bytes.slice(size);
    }
  }

  close(): void {
    this.#native.close(this.fd);
    this.open = false;
  }
}

export function message(id: number, command: number, body: Uint8Array, flags = 0, size?: number): Uint8Array {
  const bytes = new Uint8Array(HEADER.BYTES + body.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(HEADER.ID, id, true);
  view.setUint16(HEADER.COMMAND, command, true);
  view.setUint32(HEADER.SIZE, size ?? bytes.length, true);
  view.setUint32(HEADER.FLAGS, flags, true);
  bytes.set(body, HEADER.BYTES);
  return bytes;
}

/** Little-endian fields: numbers are u32, bigints u64. */
export function fields(...values: (number | bigint)[]): Uint8Array {
  const bytes = new Uint8Array(values.reduce<number>((sum, v) => sum + (typeof v === 'bigint' ? 8 : 4), 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const v of values) {
    if (typeof v === 'bigint') view.setBigUint64(at, v, true);
    else view.setUint32(at, v >>> 0, true);
    at += typeof v === 'bigint' ? 8 : 4;
  }
  return bytes;
}

export const concat = (...parts: Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));

/** What QEMU 11 proposes. */
export const QEMU_CAPABILITIES =
  '{"capabilities": {"migration": {"max_bitmap_size": 268435456, "pgsize": 4096}, "max_msg_fds": 16, ' +
  '"max_data_xfer_size": 1048576, "pgsizes": 4096, "max_dma_maps": 65535, "write_multiple": true}}';

export function versionBody(json = `${QEMU_CAPABILITIES}\0`, major = 0, minor = 0): Uint8Array {
  const text = new TextEncoder().encode(json);
  const bytes = new Uint8Array(4 + text.length);
  new DataView(bytes.buffer).setUint16(0, major, true);
  new DataView(bytes.buffer).setUint16(2, minor, true);
  bytes.set(text, 4);
  return bytes;
}

export const readBody = (region: number, offset: number | bigint, count: number): Uint8Array =>
  fields(BigInt(offset), region, count);

export function writeBody(region: number, offset: number | bigint, data: readonly number[]): Uint8Array {
  return concat(fields(BigInt(offset), region, data.length), Uint8Array.from(data));
}

export const mapBody = (address: number, size: number, fileOffset = 0, flags = 3, argsz = 32): Uint8Array =>
  fields(argsz, flags, BigInt(fileOffset), BigInt(address), BigInt(size));

export const unmapBody = (address: number, size: number, flags = 0, argsz = 24): Uint8Array =>
  fields(argsz, flags, BigInt(address), BigInt(size));

/** A server with a plain device on it, its socket in a folder of its own, and guest RAM as a file. */
export class Rig {
  readonly native: Native;
  readonly waiter: Waiter;
  readonly folder: string;
  readonly server: VfioUserServer;
  device = new PlainDevice();
  port: GuestPort | null = null;
  readonly detached: string[] = [];
  readonly log: string[] = [];
  /** What the device threw. */
  readonly faults: unknown[] = [];
  /** Set: makeGuest throws it. */
  refusal: Error | null = null;
  /** Called by onDetach. */
  whileDetaching: () => void = () => {};

  constructor(native: Native, more: { stallNs?: number; writeMultiple?: boolean } = {}) {
    this.native = native;
    this.waiter = new Waiter(native);
    this.folder = mkdtempSync(join(tmpdir(), 'xengt-vfio-'));
    this.server = new VfioUserServer({
      path: this.path,
      apertureBytes: APERTURE,
      frameBase: FRAME_BASE,
      native,
      waiter: this.waiter,
      makeGuest: (port) => {
        if (this.refusal) throw this.refusal;
        this.port = port;
        this.device = new PlainDevice();
        return this.device;
      },
      onDetach: (reason) => {
        this.whileDetaching();
        this.detached.push(reason);
      },
      onFault: (error) => this.faults.push(error),
      log: (line) => this.log.push(line),
      ...more,
    });
  }

  get path(): string {
    return join(this.folder, 'gpu.sock');
  }

  connect(): TestClient {
    const fd = this.native.connect(this.path);
    if (fd < 0) throw new Error(`connect: ${fd}`);
    return new TestClient(this.native, fd);
  }

  /** Lets the server do all that there is to do. */
  settle(): void {
    while (this.waiter.run(0, 64) > 0);
  }

  /** A client that has been through the version handshake. */
  attach(): TestClient {
    const client = this.connect();
    const answer = this.ask(client, COMMAND.VERSION, versionBody());
    if (answer.errno !== 0) throw new Error(`version: errno ${answer.errno}`);
    return client;
  }

  /** One message and its one answer. */
  ask(
    client: TestClient,
    command: number,
    body: Uint8Array,
    more: { flags?: number; fds?: readonly number[]; size?: number } = {},
  ): Reply {
    const id = client.send(command, body, more);
    this.settle();
    const replies = client.replies();
    const [reply] = replies;
    if (replies.length !== 1 || reply === undefined) throw new Error(`${replies.length} answers to one message`);
    if (reply.id !== id || reply.command !== command) throw new Error('the answer is to another message');
    if ((reply.flags & FLAG.REPLY) === 0) throw new Error('the answer is not marked as one');
    return reply;
  }

  /** A file of `bytes` zeroes for guest RAM; dword i of page p holds p at its start. */
  ram(bytes: number, name = 'ram'): number {
    const fd = openSync(join(this.folder, name), 'w+');
    ftruncateSync(fd, bytes);
    const word = Buffer.alloc(4);
    for (let page = 0; page * 4096 < bytes; page++) {
      word.writeUInt32LE(page + 1);
      writeSync(fd, word, 0, 4, page * 4096);
    }
    return fd;
  }

  close(): void {
    this.server.close();
    this.waiter.close();
    rmSync(this.folder, { recursive: true });
  }
}

/** Descriptors of this process that are open now. */
export const openFds = (): number => readdirSync('/proc/self/fd').length;

export const closeFile = (fd: number): void => closeSync(fd);
