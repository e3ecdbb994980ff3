import { describe, expect, it } from 'vitest';
import { PAGE_DWORDS } from '../../src/base/index.js';
import { ModelGpu, OWNER_MEDIATOR } from '../../src/gpu/index.js';
import { platformByName } from '../../src/hw/index.js';
import { TestMemory } from './driver.js';

const gpuWith = (poolPages: number): ModelGpu => new ModelGpu({ platform: platformByName('SKL')!, poolPages });

describe('pool pages', () => {
  it('are consecutive, zeroed, and never frame 0', () => {
    const gpu = gpuWith(2048);
    const first = gpu.allocate(3, 1);
    expect(first.mfn).toBeGreaterThan(0);
    first.words.fill(0xff, first.at, first.at + 3 * PAGE_DWORDS);
    gpu.free(first);
    const again = gpu.allocate(3, 2);
    expect(again.mfn).toBe(first.mfn);
    expect(again.words.subarray(again.at, again.at + 3 * PAGE_DWORDS).every((word) => word === 0)).toBe(true);
  });

  it('may be more than one chunk of host memory at a time', () => {
    const gpu = gpuWith(8192);
    const large = gpu.allocate(3000, 1);
    const small = gpu.allocate(1, 1);
    expect(large.words.length - large.at).toBeGreaterThanOrEqual(3000 * PAGE_DWORDS);
    expect(small.mfn < large.mfn || small.mfn >= large.mfn + 3000).toBe(true);
  });

  it('run out with an error, and come back when freed', () => {
    const gpu = gpuWith(2048);
    const held = Array.from({ length: 2 }, (_, i) => gpu.allocate(i === 0 ? 1023 : 1024, 1));
    expect(() => gpu.allocate(1, 1)).toThrow(expect.objectContaining({ code: 'XENGT_E_NO_SPACE' }));
    gpu.free(held[0]!);
    expect(gpu.allocate(1000, 1).mfn).toBe(held[0]!.mfn);
  });

  it('are freed once only', () => {
    const gpu = gpuWith(1024);
    const pages = gpu.allocate(2, OWNER_MEDIATOR);
    gpu.free(pages);
    expect(() => gpu.free(pages)).toThrow(expect.objectContaining({ code: 'XENGT_E_NOT_FOUND' }));
  });

  it('become scratch only where they are the mediator own', () => {
    const gpu = gpuWith(1024);
    const pages = gpu.allocate(1, 1);
    expect(() => gpu.markScratch(pages.mfn)).toThrow(expect.objectContaining({ code: 'XENGT_E_ACCESS' }));
    expect(() => gpu.markScratch(gpu.frameBase(1))).toThrow(expect.objectContaining({ code: 'XENGT_E_ACCESS' }));
  });
});

describe('guest memory', () => {
  it('has a frame range of its own for each owner, beyond 32 bits where need be', () => {
    const gpu = gpuWith(1024);
    expect(gpu.frameBase(1023)).toBe(1023 * 2 ** 24);
    gpu.attachMemory(1023, new TestMemory(1));
    expect(() => gpu.attachMemory(1023, new TestMemory(1))).toThrow(
      expect.objectContaining({ code: 'XENGT_E_EXISTS' }),
    );
    expect(() => gpu.attachMemory(1024, new TestMemory(1))).toThrow(
      expect.objectContaining({ code: 'XENGT_E_NO_SPACE' }),
    );
    expect(() => gpu.attachMemory(0, new TestMemory(1))).toThrow(expect.objectContaining({ code: 'XENGT_E_NO_SPACE' }));
    gpu.detachMemory(1023);
    gpu.attachMemory(1023, new TestMemory(1));
  });
});
