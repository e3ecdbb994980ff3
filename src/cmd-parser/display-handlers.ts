/**
 * Commands that reach the display, which belongs to whoever owns the screen: flips are taken out and reported. And
 * interrupts, which are counted. Plane encodings: PRM BDW/SKL Vol 2a MI_DISPLAY_FLIP.
 */
import { GO_ON, type Next, type ScanState } from './scan-state.js';

/** Gen8, dword 0 bits 21:19: planes A, B, sprites A, B, plane C, sprite C as [pipe, plane]. */
const GEN8_PLANES: readonly (readonly [number, number])[] = [
  [0, 0],
  [1, 0],
  [0, 1],
  [1, 1],
  [2, 0],
  [2, 1],
];
/** Gen9, dword 0 bits 12:8. */
const GEN9_PLANES: readonly (readonly [number, number])[] = [
  ...GEN8_PLANES,
  [0, 2],
  [1, 2],
  [2, 2],
  [0, 3],
  [1, 3],
  [2, 3],
];

export function displayFlip(s: ScanState, at: number, length: number): Next {
  const header = s.words[at]!;
  const gen9 = s.table.commands.platform.gen >= 9;
  const plane = gen9 ? GEN9_PLANES[(header >>> 8) & 31] : GEN8_PLANES[(header >>> 19) & 7];
  if (plane === undefined) return s.refuse('refused-command', 'it names no plane');
  const layout = s.words[at + 1]!;
  const target = s.words[at + 2]!;
  const surface = (target & ~0xfff) >>> 0;
  if (!s.owns(surface, 0, 0x1000)) return s.audit(surface, 0, 0x1000, 'shows');
  s.reuse.record.spoil();
  s.result.flips.push({
    pipe: plane[0],
    plane: plane[1],
    surface,
    stride: (layout >>> 6) & 0x3ff,
    tiling: layout & (gen9 ? 7 : 1),
    async: (target & 3) === 1,
  });
  s.neutralise(at, length);
  return GO_ON;
}

/** Left in place: the device raises it when it happens, and it is forwarded to the guest whose context runs. */
export function userInterrupt(s: ScanState): Next {
  s.result.userInterrupts++;
  return GO_ON;
}
