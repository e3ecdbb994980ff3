/**
 * The messages between kernel and file system in user space: little-endian structures behind a header.
 * Source: Linux include/uapi/linux/fuse.h (names, numbers and layouts of protocol 7.31), Documentation/filesystems/fuse.rst.
 */

export const MAJOR = 7;
/** The newest minor version whose messages are known here; the kernel speaks the smaller of the two. */
export const MINOR = 31;
/** Before 7.23 (Linux 3.15), the answer to FUSE_INIT was shorter. */
export const LEAST_MINOR = 23;

export const OP = {
  LOOKUP: 1,
  FORGET: 2,
  GETATTR: 3,
  SETATTR: 4,
  READLINK: 5,
  SYMLINK: 6,
  MKNOD: 8,
  MKDIR: 9,
  UNLINK: 10,
  RMDIR: 11,
  RENAME: 12,
  LINK: 13,
  OPEN: 14,
  READ: 15,
  WRITE: 16,
  STATFS: 17,
  RELEASE: 18,
  FSYNC: 20,
  FLUSH: 25,
  INIT: 26,
  OPENDIR: 27,
  READDIR: 28,
  RELEASEDIR: 29,
  CREATE: 35,
  INTERRUPT: 36,
  DESTROY: 38,
  BATCH_FORGET: 42,
  RENAME2: 45,
} as const;

/** Of FUSE_SETATTR: which attributes are to change. Times and the size of a file may be set and mean nothing. */
export const SET_OWNER_OR_MODE = 1 | 2 | 4;
/** Of FUSE_OPEN's answer: reads and writes come as they are made, not through the page cache. */
export const DIRECT_IO = 1;
export const ROOT_ID = 1;

export const IN_HEADER = 40;
const OUT_HEADER = 16;
const ATTR_BYTES = 88;

export interface Request {
  readonly opcode: number;
  /** Names the request in its answer; 64 bits, kept as they came. */
  readonly unique: bigint;
  readonly node: number;
  readonly uid: number;
  readonly body: Buffer;
}

/** Undefined for what is no whole request. */
export function parseRequest(bytes: Buffer): Request | undefined {
  if (bytes.length < IN_HEADER || bytes.readUInt32LE(0) !== bytes.length) return undefined;
  return {
    opcode: bytes.readUInt32LE(4),
    unique: bytes.readBigUInt64LE(8),
    node: u64(bytes, 16),
    uid: bytes.readUInt32LE(24),
    body: bytes.subarray(IN_HEADER),
  };
}

/** Node ids and handles are ours, counted from 1: they stay far below 2^53. */
export function u64(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32;
}

function putU64(bytes: Buffer, at: number, value: number): void {
  bytes.writeUInt32LE(value >>> 0, at);
  bytes.writeUInt32LE(Math.floor(value / 2 ** 32), at + 4);
}

/** @param errno positive; 0 for success */
export function answer(unique: bigint, errno: number, body: Uint8Array = new Uint8Array(0)): Buffer {
  const out = Buffer.alloc(OUT_HEADER + body.length);
  out.writeUInt32LE(out.length, 0);
  out.writeInt32LE(-errno, 4);
  out.writeBigUInt64LE(unique, 8);
  out.set(body, OUT_HEADER);
  return out;
}

export const KIND = { folder: 0o040000, attribute: 0o100000, link: 0o120000 } as const;

export interface Attributes {
  /** Inode number as programs see it. */
  readonly ino: number;
  /** Kind and permission bits. */
  readonly mode: number;
  readonly size: number;
  readonly links: number;
  readonly uid: number;
  readonly gid: number;
  /** Of the last change, ms since 1970. */
  readonly timeMs: number;
}

const BLOCK = 4096;

function putAttributes(out: Buffer, at: number, { ino, mode, size, links, uid, gid, timeMs }: Attributes): void {
  putU64(out, at, ino);
  putU64(out, at + 8, size);
  const seconds = Math.floor(timeMs / 1000);
  const ns = Math.floor((timeMs - seconds * 1000) * 1e6);
  for (let i = 0; i < 3; i++) {
    putU64(out, at + 24 + 8 * i, seconds);
    out.writeUInt32LE(ns, at + 48 + 4 * i);
  }
  out.writeUInt32LE(mode, at + 60);
  out.writeUInt32LE(links, at + 64);
  out.writeUInt32LE(uid, at + 68);
  out.writeUInt32LE(gid, at + 72);
  out.writeUInt32LE(BLOCK, at + 80);
}

/** Answer to FUSE_LOOKUP. The kernel keeps neither name nor attributes: what is asked for next may be something else. */
export function entryOut(node: number, attributes: Attributes): Buffer {
  const out = Buffer.alloc(40 + ATTR_BYTES);
  putU64(out, 0, node);
  putAttributes(out, 40, attributes);
  return out;
}

/** Answer to FUSE_GETATTR and FUSE_SETATTR. */
export function attrOut(attributes: Attributes): Buffer {
  const out = Buffer.alloc(16 + ATTR_BYTES);
  putAttributes(out, 16, attributes);
  return out;
}

export function openOut(handle: number, flags: number): Buffer {
  const out = Buffer.alloc(16);
  putU64(out, 0, handle);
  out.writeUInt32LE(flags, 8);
  return out;
}

export function writeOut(size: number): Buffer {
  const out = Buffer.alloc(8);
  out.writeUInt32LE(size, 0);
  return out;
}

export interface Init {
  readonly major: number;
  readonly minor: number;
}

export function parseInit(body: Buffer): Init | undefined {
  return body.length < 8 ? undefined : { major: body.readUInt32LE(0), minor: body.readUInt32LE(4) };
}

/** @param maxWrite most bytes of one FUSE_WRITE; the kernel splits longer writes */
export function initOut(maxWrite: number): Buffer {
  const out = Buffer.alloc(64);
  out.writeUInt32LE(MAJOR, 0);
  out.writeUInt32LE(MINOR, 4);
  out.writeUInt16LE(16, 16); // max_background
  out.writeUInt16LE(12, 18); // congestion_threshold
  out.writeUInt32LE(maxWrite, 20);
  out.writeUInt32LE(1, 24); // time_gran
  return out;
}

export interface ReadIn {
  readonly handle: number;
  readonly offset: number;
  readonly size: number;
}

/** Of FUSE_READ, FUSE_READDIR and FUSE_WRITE, whose structures begin alike. */
export function parseRead(body: Buffer): ReadIn {
  return { handle: u64(body, 0), offset: u64(body, 8), size: body.readUInt32LE(16) };
}

const WRITE_IN = 40;

export function writtenBytes(body: Buffer): Buffer {
  return body.subarray(WRITE_IN, WRITE_IN + body.readUInt32LE(16));
}

/** A name of a request, up to its final zero. */
export function nameOf(body: Buffer): string {
  const end = body.indexOf(0);
  return body.subarray(0, end < 0 ? body.length : end).toString('utf8');
}

export interface DirectoryEntry {
  readonly ino: number;
  readonly name: string;
  readonly mode: number;
}

/** As many entries from the `from`-th on as fit into `room` bytes. */
export function directoryOut(entries: readonly DirectoryEntry[], from: number, room: number): Buffer {
  const parts: Buffer[] = [];
  let used = 0;
  for (let i = from; i < entries.length; i++) {
    const { ino, name, mode } = entries[i]!;
    const bytes = Buffer.from(name, 'utf8');
    const padded = Math.ceil((24 + bytes.length) / 8) * 8;
    if (used + padded > room) break;
    const part = Buffer.alloc(padded);
    putU64(part, 0, ino);
    putU64(part, 8, i + 1);
    part.writeUInt32LE(bytes.length, 16);
    part.writeUInt32LE(mode >> 12, 20);
    part.set(bytes, 24);
    parts.push(part);
    used += padded;
  }
  return Buffer.concat(parts);
}

/** Answer to FUSE_STATFS: nothing is stored, and names may have 255 bytes. */
export function statfsOut(): Buffer {
  const out = Buffer.alloc(80);
  out.writeUInt32LE(BLOCK, 40);
  out.writeUInt32LE(255, 44);
  out.writeUInt32LE(BLOCK, 48);
  return out;
}
