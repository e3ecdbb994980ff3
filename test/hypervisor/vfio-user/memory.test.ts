import { readFileSync, truncateSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { read32, write32 } from '../../../src/base/index.js';
import { loadNative, type Native } from '../../../src/hypervisor/native.js';
import type { VfioGuestMemory } from '../../../src/hypervisor/vfio-user/index.js';
import { COMMAND } from '../../../src/hypervisor/vfio-user/protocol.js';
import { closeFile, FRAME_BASE, MIB, mapBody, openFds, Rig, type TestClient, unmapBody } from './rig.js';

const native = loadNative();
const { errno } = constants;

describe.runIf(native)("a guest's memory over vfio-user", () => {
  let rig: Rig;
  let client: TestClient;
  let memory: VfioGuestMemory;
  beforeEach(() => {
    rig = new Rig(native as Native);
    client = rig.attach();
    memory = rig.port!.memory as VfioGuestMemory;
  });
  afterEach(() => {
    expect(rig.server.counters.unanswered).toBe(0);
    client.close();
    rig.close();
    expect(rig.native.mappings()).toBe(0);
  });

  const map = (fd: number, address: number, size: number, offset = 0, flags = 3): number =>
    rig.ask(client, COMMAND.DMA_MAP, mapBody(address, size, offset, flags), fd >= 0 ? { fds: [fd] } : {}).errno;
  const unmap = (address: number, size: number, flags = 0): number =>
    rig.ask(client, COMMAND.DMA_UNMAP, unmapBody(address, size, flags)).errno;

  it('is found by guest frame number, read, written, and shared with the VMM', () => {
    const fd = rig.ram(4 * MIB);
    expect(map(fd, 0x100000, 2 * MIB, MIB)).toBe(0);
    expect(memory.mappedFrames).toBe(512);
    // Page 0x100 of the file (its first dword is the page's number + 1) is frame 0x100.
    expect(read32(memory, 0x100000)).toBe(0x101);
    expect(read32(memory, 0x2ff000)).toBe(0x300);
    expect(read32(memory, 0x300000, 77)).toBe(77);
    expect(read32(memory, 0xff000, 77)).toBe(77);
    expect(memory.mfnOf(0x100)).toBe(FRAME_BASE + 0x100);
    expect(memory.mfnOf(0x300)).toBe(-1);
    expect(write32(memory, 0x101010, 0xdeadbeef)).toBe(true);
    const file = readFileSync(join(rig.folder, 'ram'));
    expect(file.readUInt32LE(MIB + 0x1010)).toBe(0xdeadbeef);
    closeFile(fd);
  });

  it('keeps no descriptor and one mapping, however many ranges a file is mapped in', () => {
    const fd = rig.ram(4 * MIB);
    const before = openFds();
    for (let i = 0; i < 1024; i++) expect(map(fd, i * 0x10000, 0x1000, i * 0x1000)).toBe(0);
    expect(openFds()).toBe(before);
    expect(memory.ranges).toBe(1024);
    expect(memory.windows).toBe(1);
    for (let i = 0; i < 1024; i++) expect(read32(memory, i * 0x10000)).toBe(i + 1);
    for (let i = 0; i < 1024; i++) expect(unmap(i * 0x10000, 0x1000)).toBe(0);
    expect(memory.windows).toBe(0);
    closeFile(fd);
  });

  it('can be unmapped in other cuts than it was mapped in', () => {
    const fd = rig.ram(4 * MIB);
    map(fd, 0, MIB);
    map(fd, MIB, MIB, MIB);
    map(fd, 2 * MIB, MIB, 2 * MIB);
    expect(unmap(0x80000, 2 * MIB)).toBe(0);
    expect(memory.ranges).toBe(2);
    expect(memory.mappedFrames).toBe(256);
    expect(read32(memory, 0x7f000)).toBe(0x80);
    expect(read32(memory, 0x80000, 77)).toBe(77);
    expect(read32(memory, 0x27f000, 77)).toBe(77);
    expect(read32(memory, 0x280000)).toBe(0x281);
    // A hole in the middle of one.
    expect(unmap(0x10000, 0x1000)).toBe(0);
    expect([0xf, 0x10, 0x11].map((gfn) => memory.mfnOf(gfn))).toEqual([FRAME_BASE + 0xf, -1, FRAME_BASE + 0x11]);
    expect(memory.mappedFrames).toBe(255);
    // What is not there may be unmapped.
    expect(unmap(0x10000, 0x1000)).toBe(0);
    expect(rig.server.counters.unmapsOfNothing).toBe(1);
    expect(unmap(0, 0, 2)).toBe(0);
    expect(memory.mappedFrames).toBe(0);
    closeFile(fd);
  });

  it('answers like a plain list of pages after any sequence of maps and unmaps', () => {
    const pages = 64;
    const fd = rig.ram(pages * 4096);
    const step = fc.record({
      on: fc.boolean(),
      start: fc.nat(pages - 1),
      count: fc.integer({ min: 1, max: 12 }),
      page: fc.nat(pages - 12),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const model = new Map<number, number>();
        for (const { on, start, count, page } of steps) {
          const frames = Array.from({ length: count }, (_, i) => i);
          if (on) {
            const free = frames.every((i) => !model.has(start + i));
            expect(memory.map(start, count, fd, page, true)).toBe(free ? null : 'dma-map.overlap');
            if (free) for (const i of frames) model.set(start + i, page + i);
          } else {
            expect(memory.unmap(start, count)).toBe(null);
            for (const i of frames) model.delete(start + i);
          }
        }
        expect(memory.mappedFrames).toBe(model.size);
        for (let gfn = -1; gfn <= pages + 12; gfn++) {
          const page = model.get(gfn);
          const at = memory.locate(gfn);
          expect(at < 0 ? undefined : memory.words[at]! - 1).toBe(page);
          expect(memory.mfnOf(gfn)).toBe(page === undefined ? -1 : FRAME_BASE + gfn);
        }
        expect(memory.windows).toBe(model.size > 0 ? 1 : 0);
        memory.clear();
      }),
      { numRuns: 60 },
    );
    closeFile(fd);
  });

  it('that is unmapped at run time reads zero through a view kept from before, and writes go nowhere', () => {
    const fd = rig.ram(MIB);
    map(fd, 0, MIB);
    const at = memory.locate(3);
    const stale = memory.words;
    expect(stale[at]).toBe(4);
    unmap(0, MIB);
    expect(stale[at]).toBe(0);
    stale[at] = 0x55;
    expect(memory.locate(3)).toBe(-1);
    expect(memory.words.length).toBe(0);
    expect(readFileSync(join(rig.folder, 'ram')).readUInt32LE(3 * 4096)).toBe(4);
    closeFile(fd);
  });

  it('can be remapped as a BIOS does it, while RAM stays in one mapping', () => {
    const fd = rig.ram(2 * MIB);
    map(fd, 0, 2 * MIB);
    for (let i = 0; i < 20; i++) {
      unmap(0, 2 * MIB);
      map(fd, 0, 0xc0000);
      map(fd, 0xc0000, 0x40000, 0xc0000, 1);
      map(fd, 0x100000, MIB, MIB);
      unmap(0, 0xc0000);
      unmap(0xc0000, 0x40000);
      unmap(0x100000, MIB);
      map(fd, 0, 2 * MIB);
    }
    expect(read32(memory, 0x100000)).toBe(0x101);
    expect(memory.windows).toBe(1);
    closeFile(fd);
  });

  it('is no RAM where the VMM gives no descriptor, or only lets it be read', () => {
    const fd = rig.ram(MIB);
    expect(map(-1, 0xfffc0000, 0x40000)).toBe(0);
    expect(map(fd, 0xc0000, 0x40000, 0xc0000, 1)).toBe(0);
    expect(memory.mappedFrames).toBe(0);
    expect(memory.locate(0xfffc0)).toBe(-1);
    expect(memory.locate(0xc0)).toBe(-1);
    expect(rig.server.counters.mapsWithoutMemory).toBe(2);
    expect(map(fd, 0xff000, 0x2000)).toBe(errno.EEXIST);
    closeFile(fd);
  });

  it('beyond 1 GiB of a file lies in a further mapping', () => {
    const fd = rig.ram(4096);
    truncateSync(join(rig.folder, 'ram'), 3 * 1024 * MIB);
    expect(map(fd, 0, 2560 * MIB)).toBe(0);
    expect(memory.windows).toBe(3);
    expect(write32(memory, 1024 * MIB, 5)).toBe(true);
    expect(read32(memory, 1024 * MIB - 4096)).toBe(0);
    expect(read32(memory, 1024 * MIB)).toBe(5);
    expect(unmap(1024 * MIB, 1024 * MIB)).toBe(0);
    expect(memory.windows).toBe(2);
    closeFile(fd);
  });

  it('follows a file that grows', () => {
    const fd = rig.ram(MIB);
    map(fd, 0, MIB);
    truncateSync(join(rig.folder, 'ram'), 2 * MIB);
    expect(map(fd, MIB, MIB, MIB)).toBe(0);
    expect(read32(memory, 0x5000)).toBe(6);
    expect(write32(memory, 0x180000, 9)).toBe(true);
    expect(memory.windows).toBe(1);
    expect(rig.native.mappings()).toBe(1);
    closeFile(fd);
  });

  it('that the VMM cuts off its file reads zero, and the daemon lives and says so', () => {
    const fd = rig.ram(4 * MIB);
    map(fd, 0, 4 * MIB);
    truncateSync(join(rig.folder, 'ram'), MIB);
    expect(read32(memory, 0x80000)).toBe(0x81);
    // More pages than are replaced one by one: then the whole mapping goes.
    for (let page = 256; page < 300; page++) {
      expect(read32(memory, page * 4096)).toBe(0);
      expect(write32(memory, page * 4096, page)).toBe(true);
    }
    rig.server.tick(0);
    expect(rig.server.counters.refusals['memory.truncated']).toBeGreaterThan(0);
    expect(rig.log.join()).toContain('cut memory off');
    closeFile(fd);
  });

  it('tells an observer each frame that is touched', () => {
    const fd = rig.ram(MIB);
    map(fd, 0, MIB);
    const touched: number[] = [];
    memory.onTouch = (gfn) => touched.push(gfn);
    memory.locate(3);
    memory.locate(0x4000);
    read32(memory, 0x7004);
    memory.onTouch = null;
    memory.locate(9);
    expect(touched).toEqual([3, 7]);
    closeFile(fd);
  });

  it('gives descriptors to the message they came with, however many are under way', () => {
    const a = rig.ram(MIB, 'a');
    const b = rig.ram(MIB, 'b');
    for (let i = 0; i < 40; i++) {
      client.send(COMMAND.DMA_MAP, mapBody(i * 3 * 4096, 4096, i * 4096), { fds: [i % 2 ? b : a] });
      client.send(COMMAND.DMA_MAP, mapBody((i * 3 + 1) * 4096, 4096));
      client.send(COMMAND.DMA_UNMAP, unmapBody((i * 3 + 1) * 4096, 4096));
    }
    const before = openFds();
    rig.settle();
    expect(openFds()).toBe(before);
    expect(client.replies().filter((r) => r.errno !== 0)).toEqual([]);
    expect(memory.mappedFrames).toBe(40);
    expect(memory.windows).toBe(2);
    closeFile(a);
    closeFile(b);
  });
});
