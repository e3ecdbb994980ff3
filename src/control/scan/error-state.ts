/**
 * Error states of i915 (/sys/class/drm/card0/error): text with the registers of each engine and, between other buffers, the
 * batch and the ring that it was at when it hung. Two forms of buffers exist: a line per dword (`00000000 :  7a000004`, up
 * to Linux 4.9), and one line of ASCII85, deflated (`:`) or not (`~`).
 * Source: the layout as public intel_error_decode and aubinator_error_decode read it, and Linux i915_gpu_error.c writes it.
 */
import { constants, inflateSync } from 'node:zlib';
import { PAGE_DWORDS, PAGE_SIZE, reasonOf } from '../../base/index.js';
import { BCS, type EngineId, type Platform, RCS, VCS, VCS2, VECS } from '../../hw/index.js';
import { decodeAscii85 } from './ascii85.js';
import { ALL_OF_GGTT, type Batch, type RingContents } from './batch.js';
import { RecordedMemory, type Run, straight } from './memory.js';
import { platformByPciId } from './pci-ids.js';
import { dwordsOf, malformed } from './unreadable.js';

const SNIFFED = 1 << 16;
const MARKS = /^(GPU HANG: |No error state collected|.{0,40}\bPCI ID: 0x)|^.{1,120} --- .{1,40} = 0x[0-9a-f]{8}/im;
/** Largest buffer that is inflated. */
const MOST_BYTES = 2 ** 28;
const HEAD_OFFSET = 0x1ffffc;
/** A request that is not there is printed with this or 0 as its offsets. */
const NO_REQUEST = 0xffffffff;

const ENGINES: readonly (readonly [RegExp, EngineId])[] = [
  [/^(render( ring)?|rcs0)$/, RCS],
  [/^(blt|blitter( ring)?|bcs0)$/, BCS],
  [/^(bsd( ring)?|vcs0)$/, VCS],
  [/^(bsd2( ring)?|vcs1)$/, VCS2],
  [/^(vebox|video enhancement( ring)?|vecs0)$/, VECS],
];

type Role = 'batch' | 'user' | 'ring' | 'other';

interface Captured {
  /** As the file calls it: rcs0, render ring. */
  readonly owner: string;
  readonly engine: EngineId | undefined;
  readonly role: Role;
  readonly address: number;
  readonly line: number;
  words: Uint32Array;
}

/** Where an engine was in its ring, as far as the file says. */
interface RingPosition {
  start?: number;
  head?: number;
  tail?: number;
  requestHead?: number;
  requestTail?: number;
}

export function looksLikeErrorState(bytes: Buffer): boolean {
  return MARKS.test(bytes.toString('latin1', 0, SNIFFED));
}

/** @throws XengtError naming the line that breaks the format */
export function readErrorState(file: string, bytes: Buffer): Batch[] {
  const state = new ErrorStateParser(file);
  let number = 0;
  for (let at = 0; at < bytes.length; ) {
    const newline = bytes.indexOf(0x0a, at);
    const next = newline < 0 ? bytes.length : newline;
    const end = next > at && bytes[next - 1] === 0x0d ? next - 1 : next;
    state.line(bytes.subarray(at, end), ++number);
    at = next + 1;
  }
  return state.batches();
}

class ErrorStateParser {
  readonly #file: string;
  readonly #captured: Captured[] = [];
  readonly #positions = new Map<EngineId, RingPosition>();
  #platform: Platform | undefined;
  #pciId = '';
  #position: RingPosition | undefined;
  #current: Captured | undefined;
  /** Dwords of a buffer whose lines are being read. */
  #dwords: number[] = [];

  constructor(file: string) {
    this.#file = file;
  }

  line(line: Buffer, number: number): void {
    if (line[0] === 0x3a || line[0] === 0x7e) {
      this.#encoded(line.subarray(1), line[0] === 0x3a, number);
      return;
    }
    const text = line.toString('latin1');
    if (this.#dumped(text, number)) return;
    const header = /^(.+?)(?: \(submitted by .*\))? --- (.+?) = 0x([0-9a-f]{8})(?:[ _]([0-9a-f]{8}))?\b/i.exec(text);
    if (header !== null) this.#open(header, number);
    else this.#register(text);
  }

  batches(): Batch[] {
    this.#close();
    const wanted = this.#captured.filter(
      ({ role, engine }) => engine !== undefined && (role === 'batch' || role === 'ring'),
    );
    if (wanted.length === 0) throw malformed(this.#file, '', 'it holds no batch and no ring of an engine');
    const platform = this.#platform;
    if (platform === undefined) {
      const which = this.#pciId === '' ? 'it names no PCI ID' : `PCI ID ${this.#pciId} is of no known platform`;
      throw malformed(this.#file, '', which);
    }
    const places = new Placed(this.#captured);
    const seen = new Map<string, number>();
    return wanted.map((buffer): Batch => {
      const engine = buffer.engine!;
      const name = `${buffer.owner} ${buffer.role}`;
      const times = (seen.get(name) ?? 0) + 1;
      seen.set(name, times);
      const ring = buffer.role === 'ring' ? this.#ringOf(buffer) : undefined;
      return {
        file: this.#file,
        exec: times === 1 ? name : `${name} ${times}`,
        platform,
        engine,
        address: ring?.segments[0]?.[0] ?? buffer.address,
        memory: ring === undefined ? places.ofBatch(buffer) : places.ofRing(),
        ranges: ALL_OF_GGTT,
        ...(ring === undefined ? {} : { ring }),
      };
    });
  }

  #open(header: RegExpExecArray, line: number): void {
    this.#close();
    const [, owner = '', name = '', first = '', second] = header;
    const address = second === undefined ? Number.parseInt(first, 16) : Number(`0x${first}${second}`) % 2 ** 48;
    if (address % PAGE_SIZE !== 0) throw this.#wrong(line, `a buffer starts at a multiple of ${PAGE_SIZE}`);
    const engine = engineOf(owner);
    this.#current = { owner, engine, role: roleOf(name), address, line, words: new Uint32Array(0) };
    this.#captured.push(this.#current);
    this.#position = undefined;
  }

  #close(): void {
    if (this.#current !== undefined && this.#dwords.length > 0) this.#current.words = Uint32Array.from(this.#dwords);
    this.#current = undefined;
    this.#dwords = [];
  }

  #encoded(text: Buffer, deflated: boolean, line: number): void {
    const buffer = this.#current;
    if (buffer === undefined) throw this.#wrong(line, 'contents without a buffer that they belong to');
    const words = decodeAscii85(text);
    if (!(words instanceof Uint32Array)) throw this.#wrong(line, `byte ${words.at + 1} of its ASCII85: ${words.rule}`);
    buffer.words = deflated ? this.#inflate(words, line) : words;
    this.#close();
  }

  #inflate(words: Uint32Array, line: number): Uint32Array {
    const packed = Buffer.from(words.buffer, words.byteOffset, words.byteLength);
    let bytes: Buffer;
    try {
      bytes = inflateSync(packed, { maxOutputLength: MOST_BYTES, finishFlush: constants.Z_FINISH });
    } catch (error) {
      throw malformed(this.#file, `line ${line}`, `its contents do not inflate: ${reasonOf(error)}`, error);
    }
    if (bytes.length % 4 !== 0)
      throw this.#wrong(line, `its contents inflate to ${bytes.length} bytes, not whole dwords`);
    return dwordsOf(bytes);
  }

  /** A line of dwords: one behind its offset, or four behind the offset in brackets. */
  #dumped(text: string, line: number): boolean {
    const match = /^(?:([0-9a-f]{1,8}) : |\[([0-9a-f]{1,8})\])((?: +[0-9a-f]{8})+)\s*$/i.exec(text);
    if (match === null) return false;
    if (this.#current === undefined) throw this.#wrong(line, 'contents without a buffer that they belong to');
    const offset = Number.parseInt(match[1] ?? match[2] ?? '', 16);
    if (offset !== this.#dwords.length * 4) {
      throw this.#wrong(
        line,
        `offset 0x${(this.#dwords.length * 4).toString(16)} follows here, not 0x${offset.toString(16)}`,
      );
    }
    for (const dword of (match[3] ?? '').trim().split(/ +/)) this.#dwords.push(Number.parseInt(dword, 16));
    return true;
  }

  #register(text: string): void {
    if (this.#dwords.length > 0) this.#close();
    const id = /\bPCI ID: (0x[0-9a-f]{4})\b/i.exec(text)?.[1];
    if (id !== undefined) {
      this.#pciId = id;
      this.#platform = platformByPciId(Number(id));
    }
    const section = /^(.+) command stream/.exec(text)?.[1];
    if (section !== undefined) {
      this.#close();
      const engine = engineOf(section);
      this.#position = {};
      if (engine !== undefined) this.#positions.set(engine, this.#position);
    }
    if (this.#position !== undefined) notePosition(this.#position, text);
  }

  /**
   * From the request that hung to the tail. Where the registers are of another context's ring than the one that was
   * captured, the request alone counts; where the file says nothing, all of the ring.
   */
  #ringOf(buffer: Captured): RingContents {
    const size = buffer.words.length * 4;
    const { start, head, tail, requestHead, requestTail } = this.#positions.get(buffer.engine!) ?? {};
    const same = start === undefined || start === buffer.address;
    const from = requestHead ?? (same ? head : undefined);
    const to = same ? (tail ?? requestTail) : requestTail;
    if (from === undefined || to === undefined) return cut(buffer, 0, size);
    for (const offset of [from, to]) {
      if (offset > size || offset % 4 !== 0) {
        const hex = offset.toString(16);
        throw this.#wrong(buffer.line, `ring offset 0x${hex} is no dword of the ${size} bytes that were captured`);
      }
    }
    return cut(buffer, from, to);
  }

  #wrong(line: number, rule: string): Error {
    return malformed(this.#file, `line ${line}`, rule);
  }
}

function engineOf(owner: string): EngineId | undefined {
  return ENGINES.find(([name]) => name.test(owner.trim()))?.[1];
}

function roleOf(name: string): Role {
  if (name === 'gtt_offset' || name === 'batch') return 'batch';
  if (name === 'ringbuffer' || name === 'ring') return 'ring';
  return name === 'user' ? 'user' : 'other';
}

function notePosition(position: RingPosition, text: string): void {
  const match = /^\s+(START|HEAD|TAIL): +0x([0-9a-f]{8})(?: \[0x([0-9a-f]{8})(?:, 0x([0-9a-f]{8}))?\])?/i.exec(text);
  if (match === null) return;
  const value = Number.parseInt(match[2] ?? '', 16);
  if (match[1] === 'START') position.start = value;
  else if (match[1] === 'HEAD') {
    position.head = value & HEAD_OFFSET;
    note(position, 'requestHead', match[3]);
  } else {
    position.tail = value & HEAD_OFFSET;
    note(position, 'requestTail', match[4]);
  }
  if (position.requestHead === 0 && position.requestTail === 0) {
    delete position.requestHead;
    delete position.requestTail;
  }
}

function note(position: RingPosition, key: 'requestHead' | 'requestTail', text: string | undefined): void {
  const offset = text === undefined ? NO_REQUEST : Number.parseInt(text, 16);
  if (offset !== NO_REQUEST) position[key] = offset;
}

/** The dwords of a ring between two offsets, around its end if need be. */
function cut(buffer: Captured, from: number, to: number): RingContents {
  const { words, address } = buffer;
  if (from <= to) {
    return { words: words.slice(from / 4, to / 4), segments: [[address + from, address + to, 'primary']] };
  }
  const around = new Uint32Array(words.length - from / 4 + to / 4);
  around.set(words.subarray(from / 4));
  around.set(words.subarray(0, to / 4), words.length - from / 4);
  return {
    words: around,
    segments: [
      [address + from, address + words.length * 4, 'primary'],
      [address, address + to, 'primary'],
    ],
  };
}

/** All captured buffers in one array, to be seen as the memory that a batch or a ring reaches. */
class Placed {
  readonly #words: Uint32Array;
  readonly #runs: { readonly buffer: Captured; readonly run: Run }[] = [];

  constructor(captured: readonly Captured[]) {
    const pages = captured.map(({ words }) => Math.ceil(words.length / PAGE_DWORDS));
    this.#words = new Uint32Array(pages.reduce((sum, count) => sum + count, 0) * PAGE_DWORDS);
    let at = 0;
    captured.forEach((buffer, i) => {
      this.#words.set(buffer.words, at * PAGE_DWORDS);
      this.#runs.push({ buffer, run: straight(buffer.address / PAGE_SIZE, pages[i]!, at) });
      at += pages[i]!;
    });
  }

  /** The batch itself and the buffers that its submission had captured. */
  ofBatch(batch: Captured): RecordedMemory {
    return this.#memory(
      (buffer) => buffer === batch,
      (buffer) => buffer.engine === batch.engine && isOfProcess(buffer),
    );
  }

  /** What lies in the global GTT; behind it the batches, which lie there too when they are privileged. */
  ofRing(): RecordedMemory {
    return this.#memory(
      (buffer) => !isOfProcess(buffer),
      (buffer) => buffer.role === 'batch',
    );
  }

  /** Of buffers that overlap (a batch is often captured twice) the first counts. */
  #memory(...wanted: ((buffer: Captured) => boolean)[]): RecordedMemory {
    const runs: Run[] = [];
    for (const wants of wanted) {
      for (const { buffer, run } of this.#runs) {
        if (wants(buffer) && !runs.some((other) => overlaps(run, other))) runs.push(run);
      }
    }
    return new RecordedMemory(this.#words, runs);
  }
}

const isOfProcess = ({ role }: Captured): boolean => role === 'batch' || role === 'user';

function overlaps(a: Run, b: Run): boolean {
  return a.first < b.first + b.contents.length && b.first < a.first + a.contents.length;
}
