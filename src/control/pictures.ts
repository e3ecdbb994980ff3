/**
 * Guests' screens as PNG. Encoding a picture costs tens of milliseconds of the control thread, so one vGPU is encoded
 * once at a time however many viewers ask, and a picture that has not changed is not encoded again.
 */
import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { PNG } from 'pngjs';
import type { MediatorApi, Screen } from '../mediator/api.js';

export interface Picture {
  readonly etag: string;
  readonly png: Buffer;
}

/** As many pictures as vGPUs can exist at once, and some more. */
const KEPT = 16;

export class Pictures {
  readonly #mediator: MediatorApi;
  readonly #last = new Map<number, Picture>();
  readonly #busy = new Map<number, Promise<Picture | null>>();

  constructor(mediator: MediatorApi) {
    this.#mediator = mediator;
  }

  /** @returns null when the vGPU shows nothing now */
  of(id: number): Promise<Picture | null> {
    const running = this.#busy.get(id);
    if (running !== undefined) return running;
    const taken = this.#take(id).finally(() => this.#busy.delete(id));
    this.#busy.set(id, taken);
    return taken;
  }

  async #take(id: number): Promise<Picture | null> {
    const screen = await this.#mediator.screen(id);
    const last = this.#last.get(id);
    this.#last.delete(id);
    if (screen === null) return null;
    const etag = etagOf(screen);
    const picture = last?.etag === etag ? last : { etag, png: await encode(screen) };
    this.#last.set(id, picture);
    for (const oldest of this.#last.keys()) {
      if (this.#last.size <= KEPT) break;
      this.#last.delete(oldest);
    }
    return picture;
  }
}

function etagOf(screen: Screen): string {
  const hash = createHash('sha1').update(`${screen.width}x${screen.height}`).update(screen.rgba).digest('base64url');
  return `"${hash}"`;
}

/** Without the alpha channel (a scanout has none) and with little compression: it is looked at once and dropped. */
async function encode({ width, height, rgba }: Screen): Promise<Buffer> {
  const png = new PNG({
    width,
    height,
    colorType: 2,
    inputColorType: 6,
    inputHasAlpha: true,
    deflateLevel: 2,
    filterType: 0,
  });
  png.data = Buffer.from(rgba.buffer, rgba.byteOffset, rgba.byteLength);
  return buffer(png.pack());
}
