/** Scanout capture: the picture of a 1024x768 monitor, from the guest's memory through its GGTT, beside a plain copy. */
import { HW_TILING, PIPE, PLANE_ENABLE, PLANE_TILING_SHIFT, TRANS, TRANSCODERS } from '../src/hw/index.js';
import { BenchGuest, DATA_GFN } from './guest.js';
import { compare, type Effort, type Loop, type Table } from './measure.js';

const WIDTH = 1024;
const HEIGHT = 768;
const BYTES = WIDTH * HEIGHT * 4;
/** Index of the surface's first page among the guest's graphics pages. */
const SURFACE_INDEX = 0x1000;
const FORMAT_XRGB8888 = 4 << 24;

/** A guest whose pipe A shows a surface in this tiling. */
function shown(tiling: number, stride: number): BenchGuest {
  const guest = new BenchGuest();
  const { scripted } = guest;
  for (let page = 0; page < BYTES / 4096; page++) {
    // Scattered, as a driver's pages are.
    const gfn = DATA_GFN + ((page * 5) % (BYTES / 4096));
    scripted.bind(SURFACE_INDEX + page, gfn);
    scripted.page(gfn).fill(0x00102030 + page);
  }
  const { timing, conf } = TRANSCODERS[0]!;
  const size = ((HEIGHT - 1) << 16) | (WIDTH - 1);
  guest.write32(timing + TRANS.HTOTAL, 0x053f0000 | (WIDTH - 1));
  guest.write32(timing + TRANS.VTOTAL, 0x03250000 | (HEIGHT - 1));
  guest.write32(timing + TRANS.VBLANK, 0x03250000 | (HEIGHT - 1));
  guest.write32(timing + TRANS.PIPESRC, ((WIDTH - 1) << 16) | (HEIGHT - 1));
  guest.write32(timing + TRANS.DDI_FUNC_CTL, 0x92000002);
  guest.write32(conf, 0x80000000);
  guest.write32(PIPE.PLANE_STRIDE, stride);
  guest.write32(PIPE.PLANE_SIZE, size);
  guest.write32(PIPE.PLANE_CTL, (PLANE_ENABLE | FORMAT_XRGB8888 | (tiling << PLANE_TILING_SHIFT)) >>> 0);
  guest.write32(PIPE.PLANE_SURF, (scripted.ggttBase + SURFACE_INDEX) * 4096);
  return guest;
}

function capture(guest: BenchGuest): Loop {
  const { display } = guest.vgpu;
  return (count) => {
    let sum = 0;
    for (let i = 0; i < count; i++) {
      const picture = display.capture(guest.memory);
      if (picture === null || picture.width !== WIDTH) throw new Error('the guest of the benchmark shows nothing');
      sum += picture.rgba[i & 0xff]!;
    }
    return sum;
  };
}

export function scanout(effort: Effort): Table {
  const linear = shown(HW_TILING.LINEAR, (WIDTH * 4) / 64);
  const tiled = shown(HW_TILING.X, (WIDTH * 4) / 512);
  // Made once: what fresh memory costs depends on the system's mood, and would make the ratio as moody.
  const copy = new Uint32Array(WIDTH * HEIGHT);
  return compare(
    [
      {
        label: 'copy of as many pages',
        loop(count) {
          let sum = 0;
          for (let i = 0; i < count; i++) {
            for (let page = 0; page < BYTES / 4096; page++) {
              copy.set(linear.scripted.page(DATA_GFN + ((page * 5) % (BYTES / 4096))), page * 1024);
            }
            sum += copy[i & 0xff]!;
          }
          return sum;
        },
      },
    ],
    [
      { label: '1024x768, linear', loop: capture(linear) },
      { label: '1024x768, X tiled', loop: capture(tiled) },
    ],
    effort,
  );
}
