/**
 * The page's end of the screens' WebSocket: says which screens it wants, paints what changed on their canvases, and says so. A
 * connection that is lost is opened again, and everything is asked for anew.
 */
const HEADER = 16;
const TILE_HEADER = 8;
const AGAIN_MS = 1000;

export interface Painted {
  readonly width: number;
  readonly height: number;
}

export interface ScreenTarget {
  readonly canvas: HTMLCanvasElement;
  /** Called after each update. */
  painted(size: Painted): void;
}

export class ScreenLink {
  readonly #targets = new Map<number, ScreenTarget>();
  readonly #tell: (open: boolean) => void;
  #wanted: Readonly<Record<number, number>> = {};
  #socket: WebSocket | null = null;

  constructor(tell: (open: boolean) => void) {
    this.#tell = tell;
    this.#open();
  }

  /** Pictures a second by vGPU; what is not in it is not wanted. */
  watch(wanted: Readonly<Record<number, number>>): void {
    if (JSON.stringify(wanted) === JSON.stringify(this.#wanted)) return;
    this.#wanted = wanted;
    this.#ask();
  }

  show(id: number, target: ScreenTarget): void {
    this.#targets.set(id, target);
  }

  forget(id: number): void {
    this.#targets.delete(id);
  }

  #open(): void {
    const socket = new WebSocket(new URL('v1/screens', location.href.replace(/^http/, 'ws')));
    socket.binaryType = 'arraybuffer';
    socket.addEventListener('open', () => {
      this.#socket = socket;
      this.#tell(true);
      this.#ask();
    });
    socket.addEventListener('message', ({ data }) => {
      if (data instanceof ArrayBuffer) void this.#update(socket, data);
    });
    socket.addEventListener('close', () => {
      this.#socket = null;
      this.#tell(false);
      setTimeout(() => this.#open(), AGAIN_MS);
    });
  }

  #ask(): void {
    this.#socket?.send(JSON.stringify({ watch: this.#wanted }));
  }

  async #update(socket: WebSocket, message: ArrayBuffer): Promise<void> {
    const head = new DataView(message);
    const id = head.getUint32(0, true);
    const size = { width: head.getUint16(8, true), height: head.getUint16(10, true) };
    const tiles = await inflated(message.slice(HEADER));
    const target = this.#targets.get(id);
    if (target !== undefined) {
      paint(target.canvas, size, tiles, head.getUint32(12, true));
      target.painted(size);
    }
    if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ painted: id }));
  }
}

function inflated(bytes: ArrayBuffer): Promise<ArrayBuffer> {
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate-raw'))).arrayBuffer();
}

function paint(canvas: HTMLCanvasElement, { width, height }: Painted, bytes: ArrayBuffer, count: number): void {
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  const context = canvas.getContext('2d', { alpha: false });
  if (context === null) return;
  const heads = new DataView(bytes);
  let at = 0;
  for (let left = count; left > 0; left--) {
    const field = (n: number) => heads.getUint16(at + 2 * n, true);
    const [x, y, w, h] = [field(0), field(1), field(2), field(3)];
    const pixels = new Uint8ClampedArray(bytes, at + TILE_HEADER, w * h * 4);
    context.putImageData(new ImageData(pixels, w, h), x, y);
    at += TILE_HEADER + w * h * 4;
  }
}
