import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Frame, TILE } from '../../../src/control/screens/frame.js';
import { picture } from '../fake-mediator.js';

const W = 150;
const H = 100;
const rectOf = (x: number, y: number) => ({
  x,
  y,
  width: Math.min(TILE, W - x),
  height: Math.min(TILE, H - y),
});

test('a viewer that has seen nothing is owed every tile, one that has seen all is owed none', () => {
  const frame = new Frame();
  expect(frame.update(picture(W, H, 1))).toBe(true);
  expect(frame.since(0)).toEqual([0, 64].flatMap((y) => [0, 64, 128].map((x) => rectOf(x, y))));
  expect(frame.since(frame.serial)).toEqual([]);
  expect(frame.update(picture(W, H, 1))).toBe(false);
  expect(frame.serial).toBe(1);
});

test('what a guest leaves in the alpha bytes changes no picture', () => {
  const frame = new Frame();
  const screen = picture(W, H, 1);
  frame.update(screen);
  for (let at = 3; at < screen.rgba.length; at += 4) screen.rgba[at] = at & 0xff;
  expect(frame.update(screen)).toBe(false);
  expect(frame.pixels.every((pixel) => pixel >>> 24 === 255)).toBe(true);
});

test('whatever a guest paints, a viewer that takes what it is owed now and then has the newest picture', () => {
  const strokes = fc.array(
    fc.record({ x: fc.nat(W - 1), y: fc.nat(H - 1), colour: fc.nat(0xffffff), look: fc.boolean() }),
    { minLength: 1, maxLength: 30 },
  );
  fc.assert(
    fc.property(strokes, (given) => {
      const frame = new Frame();
      const screen = picture(W, H, 3);
      const words = new Uint32Array(screen.rgba.buffer);
      const seenPixels = new Uint32Array(W * H);
      let seen = 0;
      const look = () => {
        for (const { x, y, width, height } of frame.since(seen)) {
          for (let row = y; row < y + height; row++) {
            const at = row * W + x;
            seenPixels.set(frame.pixels.subarray(at, at + width), at);
          }
        }
        seen = frame.serial;
      };
      frame.update(screen);
      for (const { x, y, colour, look: looks } of given) {
        words[y * W + x] = colour;
        const before = frame.serial;
        if (frame.update(screen)) expect(frame.since(before)).toContainEqual(rectOf(x - (x % TILE), y - (y % TILE)));
        if (looks) look();
      }
      look();
      expect(seenPixels).toEqual(words.map((word) => word | 0xff000000));
    }),
    { numRuns: 50 },
  );
});

test('another size is a new screen, and nothing shown is one of no size', () => {
  const frame = new Frame();
  frame.update(picture(W, H, 1));
  expect(frame.update(picture(H, W, 1))).toBe(true);
  expect(frame.sizedAt).toBe(2);
  expect(frame.since(1)).toHaveLength(6);
  expect(frame.update(null)).toBe(true);
  expect([frame.width, frame.height, frame.sizedAt, frame.since(2)]).toEqual([0, 0, 3, []]);
  expect(frame.update(null)).toBe(false);
});
