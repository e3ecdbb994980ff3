/**
 * Guests' screens as PNG. Encoding a picture costs tens of milliseconds of the control thread, so one vGPU is encoded
 * once at a time however many viewers ask, and a picture that has not changed is not encoded again.
 */
import { createHash } from 'node:crypto';
import { PassThrough } from 'node:stream';
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

/** Little compressed and not filtered: a picture is looked at once and dropped. */
async function encode({ width, height, rgba }: Screen): Promise<Buffer> {
  const png = new PNG({ width, height, colorType: 2, inputHasAlpha: false, deflateLevel: 2, filterType: 0 });
  png.data = withoutAlpha(rgba);
  // pngjs has streams of the old kind, which know neither async iteration nor handing on of errors.
  const out = new PassThrough();
  png.on('error', (error) => out.destroy(error));
  png.pack().pipe(out);
  return buffer(out);
}

/** A scanout has no alpha; whatever the guest keeps in those bytes must not make its picture pale. */
function withoutAlpha(rgba: Uint8Array): Buffer {
  const rgb = Buffer.allocUnsafe((rgba.length / 4) * 3);
  for (let from = 0, to = 0; from + 3 < rgba.length; from += 4, to += 3) {
    rgb[to] = rgba[from]!;
    rgb[to + 1] = rgba[from + 1]!;
    rgb[to + 2] = rgba[from + 2]!;
  }
  return rgb;
}
