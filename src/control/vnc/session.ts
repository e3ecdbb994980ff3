/**
 * One viewer. Source: RFC 6143 (RFB 3.8); 3.3 and 3.7 differ in the handshake alone. The viewer asks for each update; while it
 * does not read, nothing more is made for it. Screens are for looking at: keys, pointer and clipboard are taken and dropped.
 */
import type { Socket } from 'node:net';
import { reasonOf, XengtError } from '../../base/index.js';
import { type Frame, type Rect, type Screens, TILE, type Viewer } from '../screens/index.js';
import { DESKTOP_SIZE, Encoder, RAW, ZRLE } from './encodings.js';
import { FORMAT_BYTES, OFFERED, PixelCodec, readFormat, writeFormat } from './pixel-format.js';

const VERSION = 'RFB 003.008\n';
const VERSIONS: Readonly<Record<string, 3 | 7 | 8>> = { '003.003': 3, '003.007': 7, '003.008': 8 };
const SECURITY_NONE = 1;

const SET_PIXEL_FORMAT = 0;
const SET_ENCODINGS = 2;
const UPDATE_REQUEST = 3;
const KEY_EVENT = 4;
const POINTER_EVENT = 5;
const CUT_TEXT = 6;

/** What a display is while it shows nothing yet. */
const DARK = { width: 640, height: 480 };
const HEADER = 12;
const NOTHING = { width: 0, height: 0, pixels: new Uint32Array(0), serial: 1, sizedAt: 1, since: () => [] };
/** No message that is kept is longer; a clipboard is not kept. */
const MOST_PENDING = 64 * 1024;
/** A handshake must be done by then. */
const HANDSHAKE_MS = 10_000;

/** `joining`: the first picture is on its way, whose size the viewer is to be told. */
type Step = 'version' | 'security' | 'init' | 'joining' | 'ready';

export class Session implements Viewer {
  readonly #socket: Socket;
  readonly #screens: Screens;
  readonly #name: string;
  readonly #encoder = new Encoder(new PixelCodec(OFFERED));
  #step: Step = 'version';
  #minor: 3 | 7 | 8 = 8;
  #pending: Buffer = Buffer.alloc(0);
  /** Bytes of a clipboard that are still to come. */
  #skip = 0;
  #vgpu: number | null;
  #frame: Frame | null = null;
  /** Size that the viewer was told. */
  #width = DARK.width;
  #height = DARK.height;
  /** The picture that the viewer has, and the newest that was looked at for what it asks now. */
  #seen = 0;
  #looked = 0;
  #zrle = false;
  #resizes = false;
  /** The part that the viewer asked for. */
  #wanted: (Rect & { readonly incremental: boolean }) | null = null;
  #making = false;
  #ended = false;
  /** What the viewer did wrong. */
  #why: string | null = null;

  constructor(
    socket: Socket,
    screens: Screens,
    name: string,
    vgpu: number | null,
    ended: (why: string | null) => void,
  ) {
    this.#socket = socket;
    this.#screens = screens;
    this.#name = name;
    this.#vgpu = vgpu;
    socket.setTimeout(HANDSHAKE_MS, () => {
      if (this.#step !== 'ready') socket.destroy();
    });
    socket.on('data', (chunk: Buffer) => this.#hear(chunk));
    socket.on('drain', () => this.changed());
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.#ended = true;
      this.#leave();
      this.#encoder.close();
      ended(this.#why);
    });
    socket.write(VERSION);
  }

  close(): void {
    this.#socket.destroy();
  }

  /** From now on another vGPU's screen is shown, or none. */
  retarget(vgpu: number | null): void {
    if (vgpu === this.#vgpu) return;
    this.#leave();
    this.#vgpu = vgpu;
    this.#forget();
    if (this.#step === 'joining' || this.#step === 'ready') this.#join();
    this.changed();
  }

  changed(): void {
    const { serial } = this.#shown;
    if (serial === 0) return;
    if (this.#step === 'joining') this.#hear(Buffer.alloc(0));
    const wanted = this.#wanted;
    if (wanted === null || this.#making || this.#ended || this.#socket.writableNeedDrain) return;
    if (wanted.incremental && serial <= this.#looked) return;
    this.#wanted = null;
    this.#making = true;
    void this.#update(wanted).finally(() => {
      this.#making = false;
      this.changed();
    });
  }

  #join(): void {
    this.#frame = this.#vgpu === null ? null : this.#screens.join(this.#vgpu, this);
  }

  #leave(): void {
    if (this.#vgpu !== null && this.#frame !== null) this.#screens.leave(this.#vgpu, this);
    this.#frame = null;
  }

  // ---- what the viewer is sent

  async #update(wanted: Rect & { readonly incremental: boolean }): Promise<void> {
    const frame = this.#shown;
    const other = frame.width !== this.#width || frame.height !== this.#height;
    if (other && frame.width > 0 && this.#resizes) {
      this.#width = frame.width;
      this.#height = frame.height;
      this.#forget();
      this.#socket.write(Buffer.concat([updateHead(1), rectHead({ x: 0, y: 0, ...this.#size }, DESKTOP_SIZE)]));
      return;
    }
    const whole = { x: 0, y: 0, ...this.#size };
    const fresh = !wanted.incremental || this.#seen < frame.sizedAt;
    const changed = fresh ? [whole] : runs(frame.since(this.#seen));
    const rects = changed
      .map((rect) => common(common(rect, whole), wanted))
      .filter((rect) => rect.width > 0 && rect.height > 0);
    // What lies outside of what it asked for, it is still owed.
    if (covers(wanted, whole)) this.#seen = frame.serial;
    this.#looked = frame.serial;
    const encoding = this.#zrle ? ZRLE : RAW;
    const { pixels, width, height } = frame;
    // The frame is painted over by the next capture: an update is of one picture.
    const source = { width, height, pixels: rects.length > 1 ? pixels.slice() : pixels };
    const parts: Buffer[] = [updateHead(rects.length)];
    for (const rect of rects) parts.push(rectHead(rect, encoding), await this.#encoder.encode(encoding, source, rect));
    if (this.#ended) return;
    if (rects.length === 0 && wanted.incremental) this.#wanted ??= wanted;
    else this.#socket.write(Buffer.concat(parts));
  }

  #forget(): void {
    this.#seen = 0;
    this.#looked = 0;
  }

  /** Where there is no vGPU, there is a picture of nothing. */
  get #shown(): Pick<Frame, 'width' | 'height' | 'pixels' | 'serial' | 'sizedAt' | 'since'> {
    return this.#frame ?? NOTHING;
  }

  get #size() {
    return { width: this.#width, height: this.#height };
  }

  // ---- what the viewer says

  #hear(chunk: Buffer): void {
    try {
      this.#take(chunk);
    } catch (error) {
      this.#why = reasonOf(error);
      this.#socket.destroy();
    }
  }

  #take(chunk: Buffer): void {
    const skipped = Math.min(this.#skip, chunk.length);
    this.#skip -= skipped;
    const rest = chunk.subarray(skipped);
    this.#pending = this.#pending.length === 0 ? rest : Buffer.concat([this.#pending, rest]);
    for (let used = this.#message(); used > 0; used = this.#message()) {
      const beyond = used - this.#pending.length;
      this.#skip += Math.max(0, beyond);
      this.#pending = this.#pending.subarray(Math.min(used, this.#pending.length));
    }
    if (this.#pending.length > MOST_PENDING) throw broken(`a message of more than ${MOST_PENDING} bytes`);
  }

  /** @returns length of the message that begins what is pending; 0 while it is not all there */
  #message(): number {
    switch (this.#step) {
      case 'version':
        return this.#version();
      case 'security':
        return this.#security();
      case 'init':
        return this.#init();
      case 'joining':
        if (this.#shown.serial === 0) return 0;
        this.#welcome();
        return this.#request();
      case 'ready':
        return this.#request();
    }
  }

  #version(): number {
    if (this.#pending.length < VERSION.length) return 0;
    const text = this.#pending.toString('latin1', 0, VERSION.length);
    const minor = /^RFB (\d{3}\.\d{3})\n$/.exec(text)?.[1];
    if (minor === undefined) throw broken('no version of RFB');
    // Some viewers give numbers of their own; whatever is not known is the oldest, as the protocol has it.
    this.#minor = VERSIONS[minor] ?? 3;
    if (this.#minor === 3) {
      this.#socket.write(Buffer.from([0, 0, 0, SECURITY_NONE]));
      this.#step = 'init';
    } else {
      this.#socket.write(Buffer.from([1, SECURITY_NONE]));
      this.#step = 'security';
    }
    return VERSION.length;
  }

  #security(): number {
    if (this.#pending.length === 0) return 0;
    if (this.#pending[0] !== SECURITY_NONE) throw broken(`security type ${this.#pending[0]}, which was not offered`);
    if (this.#minor === 8) this.#socket.write(Buffer.alloc(4));
    this.#step = 'init';
    return 1;
  }

  #init(): number {
    if (this.#pending.length === 0) return 0;
    this.#step = 'joining';
    this.#join();
    return 1;
  }

  #welcome(): void {
    this.#step = 'ready';
    this.#socket.setTimeout(0);
    const { width, height } = this.#shown;
    if (width > 0) {
      this.#width = width;
      this.#height = height;
    }
    const name = Buffer.from(this.#name);
    const init = Buffer.alloc(8 + FORMAT_BYTES);
    init.writeUInt16BE(this.#width, 0);
    init.writeUInt16BE(this.#height, 2);
    writeFormat(OFFERED, init, 4);
    init.writeUInt32BE(name.length, 4 + FORMAT_BYTES);
    this.#socket.write(Buffer.concat([init, name]));
  }

  #request(): number {
    const bytes = this.#pending;
    if (bytes.length === 0) return 0;
    const has = (length: number) => bytes.length >= length;
    switch (bytes[0]) {
      case SET_PIXEL_FORMAT:
        if (!has(20)) return 0;
        this.#encoder.codec = new PixelCodec(readFormat(bytes, 4));
        return 20;
      case SET_ENCODINGS: {
        if (!has(4)) return 0;
        const count = bytes.readUInt16BE(2);
        if (!has(4 + 4 * count)) return 0;
        const all = Array.from({ length: count }, (_, i) => bytes.readInt32BE(4 + 4 * i));
        const first = all.find((encoding) => encoding === RAW || encoding === ZRLE);
        this.#zrle = first === ZRLE;
        this.#resizes = all.includes(DESKTOP_SIZE);
        return 4 + 4 * count;
      }
      case UPDATE_REQUEST:
        if (!has(10)) return 0;
        this.#ask(bytes);
        return 10;
      case KEY_EVENT:
        return has(8) ? 8 : 0;
      case POINTER_EVENT:
        return has(6) ? 6 : 0;
      case CUT_TEXT:
        return has(8) ? 8 + bytes.readUInt32BE(4) : 0;
      default:
        throw broken(`a message of type ${bytes[0]}`);
    }
  }

  #ask(bytes: Buffer): void {
    const [x, y, width, height] = [2, 4, 6, 8].map((at) => bytes.readUInt16BE(at)) as [number, number, number, number];
    const incremental = bytes[1] !== 0 && this.#wanted?.incremental !== false;
    this.#wanted = { x, y, width, height, incremental };
    this.#looked = this.#seen;
    this.changed();
  }
}

function broken(what: string): XengtError {
  return new XengtError('XENGT_E_PROTOCOL', `The viewer sent ${what}`);
}

function updateHead(rects: number): Buffer {
  return Buffer.from([0, 0, rects >> 8, rects & 0xff]);
}

function rectHead(rect: Rect, encoding: number): Buffer {
  const head = Buffer.alloc(HEADER);
  [rect.x, rect.y, rect.width, rect.height].forEach((value, i) => {
    head.writeUInt16BE(value, 2 * i);
  });
  head.writeInt32BE(encoding, 8);
  return head;
}

function common(one: Rect, other: Rect): Rect {
  const x = Math.max(one.x, other.x);
  const y = Math.max(one.y, other.y);
  return {
    x,
    y,
    width: Math.max(0, Math.min(one.x + one.width, other.x + other.width) - x),
    height: Math.max(0, Math.min(one.y + one.height, other.y + other.height) - y),
  };
}

const covers = (outer: Rect, inner: Rect): boolean => {
  const shared = common(outer, inner);
  return shared.width === inner.width && shared.height === inner.height;
};

/** Tiles that touch along a row as one rectangle each, so that not every tile costs a header and a flush. */
function runs(tiles: readonly Rect[]): Rect[] {
  const out: Rect[] = [];
  for (const tile of tiles) {
    const last = out.at(-1);
    const touches =
      last !== undefined && last.y === tile.y && last.x + last.width === tile.x && last.width % TILE === 0;
    if (touches) out[out.length - 1] = { ...last, width: last.width + tile.width };
    else out.push(tile);
  }
  return out;
}
