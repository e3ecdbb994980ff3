import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  encodeFrame,
  type Frame,
  FrameReader,
  HEADER_BYTES,
  OPERATION,
  PAYLOAD_MAX,
  splitTexts,
  texts,
} from '../../../../src/hypervisor/xen/xenstore/wire.js';

const u32 = fc.nat(0xffffffff);
const frames = fc.array(
  fc.record({
    type: fc.constantFrom(...Object.values(OPERATION)),
    request: u32,
    transaction: u32,
    payload: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  }),
  { minLength: 1, maxLength: 8 },
);

const encoded = (list: readonly Frame[]): Buffer =>
  Buffer.concat(list.map((frame) => encodeFrame(frame.type, frame.request, frame.transaction, frame.payload)));

/** Copies: what a reader gives out is a view. */
const plain = (list: readonly Frame[]) =>
  list.map(({ type, request, transaction, payload }) => [type, request, transaction, payload.toString('hex')]);

describe('messages', () => {
  test('have the header of io/xs_wire.h: type, request, transaction and length, little-endian', () => {
    const bytes = encodeFrame(OPERATION.READ, 0x01020304, 7, texts('/a'));
    expect(bytes.toString('hex')).toBe(`02000000${'04030201'}${'07000000'}${'03000000'}2f6100`);
  });

  test('come out of a stream as they went in, however it is cut', () => {
    fc.assert(
      fc.property(frames, fc.array(fc.nat(64), { maxLength: 200 }), (list, cuts) => {
        const bytes = encoded(list);
        const reader = new FrameReader();
        const found: Frame[] = [];
        let at = 0;
        for (const cut of cuts) {
          found.push(...reader.push(Buffer.from(bytes.subarray(at, at + cut))));
          at = Math.min(at + cut, bytes.length);
        }
        found.push(...reader.push(Buffer.from(bytes.subarray(at))));
        expect(plain(found)).toEqual(plain(list));
        expect(reader.pending).toBe(0);
      }),
    );
  });

  test('are not given out before they are whole', () => {
    fc.assert(
      fc.property(frames, fc.double({ min: 0, max: 1, noNaN: true }), (list, share) => {
        const bytes = encoded(list);
        const end = Math.floor(bytes.length * share);
        const whole: Frame[] = [];
        let size = 0;
        for (const frame of list) {
          size += HEADER_BYTES + frame.payload.length;
          if (size <= end) whole.push(frame);
        }
        expect(plain(new FrameReader().push(bytes.subarray(0, end)))).toEqual(plain(whole));
      }),
    );
  });

  test('of up to 4096 bytes fit, one more does not, on either side', () => {
    const full = encodeFrame(OPERATION.WRITE, 1, 0, Buffer.alloc(PAYLOAD_MAX, 1));
    expect(new FrameReader().push(full)[0]?.payload.length).toBe(PAYLOAD_MAX);
    expect(() => encodeFrame(OPERATION.WRITE, 1, 0, Buffer.alloc(PAYLOAD_MAX + 1))).toThrow(
      'WRITE of 4097 bytes; at most 4096 fit',
    );
    full.writeUInt32LE(PAYLOAD_MAX + 1, 12);
    expect(() => new FrameReader().push(full.subarray(0, HEADER_BYTES))).toThrow(
      'xenstored sent a WRITE of 4097 bytes; at most 4096 are allowed',
    );
  });
});

describe('texts in a payload', () => {
  test('come back as they were', () => {
    const text = fc.string().filter((one) => !one.includes('\0'));
    fc.assert(
      fc.property(fc.array(text), (list) => {
        // A lone surrogate has no form in UTF-8.
        fc.pre(list.every((one) => Buffer.from(one).toString() === one));
        expect(splitTexts(texts(...list))).toEqual(list);
      }),
    );
  });

  test('are none where the last has no end', () => {
    expect(splitTexts(Buffer.from('a\0b'))).toBeNull();
  });
});
