import { beforeEach, describe, expect, test } from 'vitest';
import type { Frames } from '../../src/base/index.js';
import { platformByName, VGPU_PLATFORMS } from '../../src/hw/index.js';
import { OpRegion } from '../../src/vgpu/opregion.js';

const text = (bytes: Uint8Array) => String.fromCharCode(...bytes);

/** Reads a VBT as a driver does: by the offsets of the published structures, not by our tables. */
function parseVbt(vbt: Uint8Array) {
  const view = new DataView(vbt.buffer, vbt.byteOffset, vbt.byteLength);
  const u8 = (at: number) => view.getUint8(at);
  const u16 = (at: number) => view.getUint16(at, true);
  const bdb = view.getUint32(28, true);
  const blocks = new Map<number, Uint8Array>();
  let at = bdb + u16(bdb + 18);
  while (at < bdb + u16(bdb + 20)) {
    const size = u16(at + 1);
    blocks.set(u8(at), vbt.slice(at + 3, at + 3 + size));
    at += 3 + size;
  }
  return {
    signature: text(vbt.slice(0, 20)),
    version: u16(20),
    headerBytes: u16(22),
    vbtBytes: u16(24),
    bdbSignature: text(vbt.slice(bdb, bdb + 16)),
    bdbVersion: u16(bdb + 16),
    bdbEnd: bdb + u16(bdb + 20),
    lastBlockEnd: at,
    blocks,
  };
}

describe.each(VGPU_PLATFORMS)('on $name', (platform) => {
  const region = OpRegion.build(platform);
  const view = new DataView(region.buffer);

  test('a driver finds an 8 KiB OpRegion of version 2 with a VBT, its lid open, and nothing it could call', () => {
    expect(region.length).toBe(8192);
    expect(text(region.slice(0, 16))).toBe('IntelGraphicsMem');
    expect(view.getUint32(0x10, true)).toBe(8);
    expect(view.getUint8(0x17), 'major version').toBe(2);
    expect(view.getUint32(0x58, true), 'mailboxes').toBe(8);
    expect(view.getUint8(0x1ac)).toBe(3);
  });

  test('the VBT is whole: signatures, sizes that meet, checksum', () => {
    const vbt = parseVbt(region.slice(0x400, 0x1c00));
    expect(vbt.signature).toBe(`$VBT ${platform.name}`.padEnd(20));
    expect([vbt.version, vbt.headerBytes]).toEqual([155, 48]);
    expect(vbt.bdbSignature).toBe('BIOS_DATA_BLOCK ');
    expect(vbt.bdbVersion).toBe(186);
    expect(vbt.lastBlockEnd).toBe(vbt.bdbEnd);
    expect(vbt.bdbEnd).toBe(vbt.vbtBytes);
    const bytes = region.slice(0x400, 0x400 + vbt.vbtBytes);
    expect(bytes.reduce((sum, byte) => (sum + byte) & 0xff, 0)).toBe(0);
    expect(region.slice(0x400 + vbt.vbtBytes).every((byte) => byte === 0)).toBe(true);
  });

  test('the VBT describes four external DP outputs on DDI A to D with their own AUX channels', () => {
    const { blocks } = parseVbt(region.slice(0x400, 0x1c00));
    expect([...blocks.keys()]).toEqual([1, 2, 12]);
    expect(blocks.get(1)).toHaveLength(5);
    expect(blocks.get(12)).toHaveLength(19);
    const definitions = blocks.get(2)!;
    expect(definitions[4], 'the size that drivers expect of a child before BDB 195').toBe(33);
    expect(definitions).toHaveLength(5 + 4 * 33);
    const children = [0, 1, 2, 3].map((i) => {
      const child = definitions.slice(5 + 33 * i, 38 + 33 * i);
      return {
        handle: child[0]! | (child[1]! << 8),
        type: child[2]! | (child[3]! << 8),
        port: child[16],
        dp: (child[24]! & 2) !== 0,
        aux: child[25],
        integrated: (child[27]! & 0x20) !== 0,
      };
    });
    const dp = { type: 0x68c6, dp: true, integrated: true };
    expect(children).toEqual([
      { ...dp, handle: 0x04, port: 10, aux: 0x40 },
      { ...dp, handle: 0x40, port: 7, aux: 0x10 },
      { ...dp, handle: 0x20, port: 8, aux: 0x20 },
      { ...dp, handle: 0x10, port: 9, aux: 0x30 },
    ]);
  });
});

describe('in guest memory', () => {
  const SKL = platformByName('SKL')!;
  let memory: Frames & { bytes: Uint8Array };
  let region: OpRegion;

  /** Eight frames of RAM from frame 16 on, frame 20 a hole. */
  beforeEach(() => {
    const words = new Uint32Array(8 * 1024);
    memory = {
      words,
      bytes: new Uint8Array(words.buffer),
      locate: (frame) => (frame >= 16 && frame < 24 && frame !== 20 ? (frame - 16) * 1024 : -1),
    };
    region = new OpRegion(SKL);
  });

  test('it appears where firmware says, and nowhere else', () => {
    expect(region.place(memory, 0x11000)).toBe(true);
    expect(memory.bytes.slice(0x1000, 0x3000)).toEqual(OpRegion.build(SKL));
    expect(memory.bytes.slice(0, 0x1000).every((byte) => byte === 0)).toBe(true);
    expect(memory.bytes.slice(0x3000).every((byte) => byte === 0)).toBe(true);
    expect(region.gpa).toBe(0x11000);
  });

  test.each([
    ['off its page', 0x11010],
    ['half in a hole', 0x13000],
    ['at the end of RAM', 0x17000],
    ['outside of RAM', 0x80000000],
  ])('an address %s is counted and nothing is written', (_name, gpa) => {
    expect(region.place(memory, gpa)).toBe(false);
    expect(region.refused['opregion-address']).toBe(1);
    expect(memory.bytes.every((byte) => byte === 0)).toBe(true);
  });

  test('address zero means no OpRegion and is no error', () => {
    region.place(memory, 0x11000);
    expect(region.place(memory, 0)).toBe(false);
    expect(region.gpa).toBe(0);
    expect(region.refused['opregion-address']).toBe(0);
  });

  const call = (scic: number, parm: number): [number, number] => {
    region.place(memory, 0x11000);
    const at = 0x1200 / 4;
    memory.words[at] = scic;
    memory.words[at + 1] = parm;
    region.serveSwsci(memory);
    return [memory.words[at]!, memory.words[at + 1]!];
  };

  test.each([
    [4, 0],
    [4, 1],
    [6, 0],
  ])('asked for what function %i/%i can do, it answers: nothing', (fn, sub) => {
    expect(call((sub << 8) | (fn << 1) | 1, 0x1234)).toEqual([0, 0]);
    expect(region.refused['swsci-call']).toBe(0);
  });

  test.each([
    [4, 5],
    [6, 1],
    [0, 0],
    [15, 255],
  ])('any other call (%i/%i) fails without leaving the caller to wait', (fn, sub) => {
    const [scic, parm] = call((sub << 8) | (7 << 5) | (fn << 1) | 1, 0x1234);
    expect(scic).toBe((sub << 8) | (fn << 1));
    expect(parm).toBe(0x1234);
    expect(region.refused['swsci-call']).toBe(1);
  });

  test('a call without OpRegion, or into memory that has gone, changes nothing', () => {
    region.serveSwsci(memory);
    expect(region.refused['swsci-call']).toBe(1);
    region.place(memory, 0x11000);
    memory.locate = () => -1;
    const before = memory.bytes.slice();
    region.serveSwsci(memory);
    expect(memory.bytes).toEqual(before);
  });
});
