/**
 * One viewer's WebSocket. The viewer says which screens it wants and how many pictures a second of each; it is sent the
 * tiles that changed, and says when it has painted them. Until then it is sent no more of that screen, so that a viewer
 * which is slow, or never reads, holds one update a screen and misses the pictures in between.
 *
 * Viewer:  {"watch": {"3": 30, "4": 5}}   the screens, and pictures a second of each; replaces what was asked before
 *          {"painted": 3}                 the last update of screen 3 is on the viewer's own screen
 * Server:  a binary message an update, little-endian: u32 vGPU, u32 serial, u16 width, u16 height of the screen (0: nothing
 *          is shown), u32 number of tiles; then deflated (raw): of each tile u16 x, y, width, height, and its pixels as RGBA
 */
import { promisify } from 'node:util';
import { constants, deflateRaw } from 'node:zlib';
import type { Screens, Viewer } from './feed.js';
import type { Frame, Rect } from './frame.js';
import { CLOSE_RULE, type ViewerSocket } from './websocket.js';

const deflate = promisify(deflateRaw);
const HEADER = 16;
const TILE_HEADER = 8;
/** As many vGPUs as one device can have, and room for those that were removed meanwhile. */
const MOST_SCREENS = 32;
const MOST_FPS = 60;
/** How soon a viewer that has not read all is looked at again. */
const BEHIND_MS = 50;
/** Fast, for a picture is looked at once; large areas of one colour shrink all the same. */
const LEVEL = { level: constants.Z_BEST_SPEED };

/** One screen of one viewer. */
class Watching implements Viewer {
  readonly #id: number;
  readonly #frame: Frame;
  readonly #socket: ViewerSocket;
  #every = 0;
  #seen = 0;
  /** `making` an update, or it was `sent` and is not painted yet. */
  #state: 'idle' | 'making' | 'sent' = 'idle';
  #notBefore = 0;
  #timer: NodeJS.Timeout | null = null;
  #left = false;

  constructor(id: number, screens: Screens, socket: ViewerSocket) {
    this.#id = id;
    this.#socket = socket;
    this.#frame = screens.join(id, this);
  }

  set fps(fps: number) {
    this.#every = 1000 / fps;
  }

  leave(): void {
    this.#left = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  changed(): void {
    if (this.#state !== 'idle' || this.#timer !== null || this.#left || this.#frame.serial <= this.#seen) return;
    // Whoever says that it painted what it never read is not believed.
    const wait = this.#socket.behind > 0 ? BEHIND_MS : this.#notBefore - performance.now();
    if (wait > 0) {
      this.#timer = setTimeout(() => {
        this.#timer = null;
        this.changed();
      }, wait);
      this.#timer.unref();
      return;
    }
    this.#state = 'making';
    this.#notBefore = performance.now() + this.#every;
    void this.#update();
  }

  painted(): void {
    if (this.#state !== 'sent') return;
    this.#state = 'idle';
    this.changed();
  }

  async #update(): Promise<void> {
    const { serial, width, height, sizedAt } = this.#frame;
    const rects = this.#frame.since(Math.max(this.#seen, sizedAt - 1));
    const header = Buffer.alloc(HEADER);
    header.writeUInt32LE(this.#id, 0);
    header.writeUInt32LE(serial, 4);
    header.writeUInt16LE(width, 8);
    header.writeUInt16LE(height, 10);
    header.writeUInt32LE(rects.length, 12);
    // Copied before the first pause: the next capture paints over the frame.
    const tiles = tilesOf(this.#frame, rects);
    this.#seen = serial;
    const body = await deflate(tiles, LEVEL);
    if (this.#left) return;
    this.#state = 'sent';
    this.#socket.sendBinary(Buffer.concat([header, body]));
  }
}

function tilesOf({ pixels, width }: Frame, rects: readonly Rect[]): Buffer {
  const bytes = rects.reduce((sum, rect) => sum + TILE_HEADER + rect.width * rect.height * 4, 0);
  const out = Buffer.allocUnsafe(bytes);
  const all = Buffer.from(pixels.buffer, pixels.byteOffset, pixels.byteLength);
  let to = 0;
  for (const rect of rects) {
    out.writeUInt16LE(rect.x, to);
    out.writeUInt16LE(rect.y, to + 2);
    out.writeUInt16LE(rect.width, to + 4);
    out.writeUInt16LE(rect.height, to + 6);
    to += TILE_HEADER;
    for (let y = rect.y; y < rect.y + rect.height; y++) {
      const from = (y * width + rect.x) * 4;
      to += all.copy(out, to, from, from + rect.width * 4);
    }
  }
  return out;
}

export class Channel {
  readonly #screens: Screens;
  readonly #socket: ViewerSocket;
  readonly #watching = new Map<number, Watching>();

  constructor(screens: Screens, socket: ViewerSocket) {
    this.#screens = screens;
    this.#socket = socket;
  }

  message(text: string): void {
    const asked = parse(text);
    if (typeof asked === 'string') this.#socket.close(CLOSE_RULE, asked);
    else if (asked.painted !== undefined) this.#watching.get(asked.painted)?.painted();
    else if (asked.watch !== undefined) this.#watch(asked.watch);
  }

  close(): void {
    this.#watch(new Map());
  }

  #watch(wanted: ReadonlyMap<number, number>): void {
    for (const [id, watching] of this.#watching) {
      if (wanted.has(id)) continue;
      watching.leave();
      this.#screens.leave(id, watching);
      this.#watching.delete(id);
    }
    for (const [id, fps] of wanted) {
      let watching = this.#watching.get(id);
      if (watching === undefined) {
        watching = new Watching(id, this.#screens, this.#socket);
        this.#watching.set(id, watching);
      }
      watching.fps = fps;
      watching.changed();
    }
  }
}

interface Asked {
  readonly watch?: ReadonlyMap<number, number>;
  readonly painted?: number;
}

/** @returns what was asked, or what is wrong with it */
function parse(text: string): Asked | string {
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch {
    return 'a message is JSON';
  }
  if (typeof given !== 'object' || given === null) return 'a message is an object';
  if ('painted' in given) {
    return typeof given.painted === 'number' ? { painted: given.painted } : 'painted: the number of a vGPU';
  }
  if (!('watch' in given) || typeof given.watch !== 'object' || given.watch === null) {
    return 'a message has the key watch or painted';
  }
  const entries = Object.entries(given.watch);
  if (entries.length > MOST_SCREENS) return `watch: at most ${MOST_SCREENS} screens`;
  const watch = new Map<number, number>();
  for (const [key, fps] of entries) {
    const known = /^\d{1,5}$/.test(key) && typeof fps === 'number' && fps > 0 && fps <= MOST_FPS;
    if (!known) return `watch: numbers of vGPUs, and of each the pictures a second, above 0 and at most ${MOST_FPS}`;
    watch.set(Number(key), fps);
  }
  return { watch };
}
