import { constants } from 'node:os';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadNative, type Native } from '../../../src/hypervisor/native.js';
import { RULES, type Rule } from '../../../src/hypervisor/vfio-user/index.js';
import { COMMAND, FLAG } from '../../../src/hypervisor/vfio-user/protocol.js';
import {
  APERTURE,
  closeFile,
  concat,
  fields,
  MIB,
  mapBody,
  message,
  openFds,
  Rig,
  readBody,
  type TestClient,
  unmapBody,
  versionBody,
  writeBody,
} from './rig.js';

const native = loadNative();

interface Case {
  readonly what: string;
  readonly rule: Rule;
  readonly command: number;
  readonly body: Uint8Array;
  readonly flags?: number;
  /** Descriptors to send: of a RAM file of 1 MiB, of a pipe-like socket, of an eventfd. */
  readonly fds?: readonly ('ram' | 'socket' | 'event')[];
}

const NONE = new Uint8Array(0);
const irqs = (...f: number[]): Uint8Array => fields(20, ...f);

const CASES: readonly Case[] = [
  { what: 'a command of number 0', rule: 'command.unknown', command: 0, body: NONE },
  { what: 'a command beyond the last', rule: 'command.unknown', command: 19, body: NONE },
  { what: 'a command of number 65535', rule: 'command.unknown', command: 65535, body: NONE },
  {
    what: 'a request that only servers make',
    rule: 'command.direction',
    command: COMMAND.DMA_READ,
    body: fields(0n, 4n),
  },
  { what: 'migration data', rule: 'command.unsupported', command: COMMAND.MIG_DATA_READ, body: fields(8, 8) },
  { what: 'a feature', rule: 'command.unsupported', command: COMMAND.DEVICE_FEATURE, body: fields(8, 1) },
  { what: 'descriptors of a region', rule: 'command.unsupported', command: 6, body: fields(16, 0, 0, 0) },
  { what: 'an unknown message type', rule: 'message.type', command: COMMAND.DEVICE_RESET, body: NONE, flags: 2 },
  { what: 'an undefined flag', rule: 'message.flags', command: COMMAND.DEVICE_RESET, body: NONE, flags: 0x40 },
  {
    what: 'the error flag in a request',
    rule: 'message.flags',
    command: COMMAND.DEVICE_RESET,
    body: NONE,
    flags: 0x20,
  },
  { what: 'a reset with a payload', rule: 'message.payload', command: COMMAND.DEVICE_RESET, body: fields(1) },
  {
    what: 'a descriptor with a message that takes none',
    rule: 'message.descriptors',
    command: COMMAND.DEVICE_RESET,
    body: NONE,
    fds: ['ram'],
  },
  { what: 'a map that is cut short', rule: 'message.payload', command: COMMAND.DMA_MAP, body: fields(32, 3, 0n, 0n) },
  { what: 'a map of wrong argsz', rule: 'dma-map.argsz', command: COMMAND.DMA_MAP, body: mapBody(0, 4096, 0, 3, 31) },
  { what: 'a map without access', rule: 'dma-map.flags', command: COMMAND.DMA_MAP, body: mapBody(0, 4096, 0, 0) },
  {
    what: 'a map with an undefined flag',
    rule: 'dma-map.flags',
    command: COMMAND.DMA_MAP,
    body: mapBody(0, 4096, 0, 7),
  },
  { what: 'a map of nothing', rule: 'dma-map.range', command: COMMAND.DMA_MAP, body: mapBody(0, 0) },
  { what: 'a map off a page boundary', rule: 'dma-map.range', command: COMMAND.DMA_MAP, body: mapBody(0x800, 4096) },
  { what: 'a map of half a page', rule: 'dma-map.range', command: COMMAND.DMA_MAP, body: mapBody(0, 0x800) },
  {
    what: 'a map beyond the end of the address space',
    rule: 'dma-map.range',
    command: COMMAND.DMA_MAP,
    body: fields(32, 3, 0n, 0xfffffffffffff000n, 0x2000n),
  },
  {
    what: 'a map at an odd place of its file',
    rule: 'dma-map.offset',
    command: COMMAND.DMA_MAP,
    body: mapBody(0, 4096, 0x10),
    fds: ['ram'],
  },
  {
    what: 'a map at an absurd place of its file',
    rule: 'dma-map.offset',
    command: COMMAND.DMA_MAP,
    body: fields(32, 3, 0xfffffffffffff000n, 0n, 0x1000n),
    fds: ['ram'],
  },
  {
    what: 'a map beyond the end of its file',
    rule: 'dma-map.beyond-file',
    command: COMMAND.DMA_MAP,
    body: mapBody(0, 2 * MIB),
    fds: ['ram'],
  },
  {
    what: 'a map of something that is no file',
    rule: 'dma-map.not-a-file',
    command: COMMAND.DMA_MAP,
    body: mapBody(0, 4096),
    fds: ['socket'],
  },
  {
    what: 'a map with two descriptors',
    rule: 'message.descriptors',
    command: COMMAND.DMA_MAP,
    body: mapBody(0, 4096),
    fds: ['ram', 'ram'],
  },
  { what: 'an unmap that is cut short', rule: 'message.payload', command: COMMAND.DMA_UNMAP, body: fields(24, 0, 0n) },
  {
    what: 'an unmap of wrong argsz',
    rule: 'dma-unmap.argsz',
    command: COMMAND.DMA_UNMAP,
    body: unmapBody(0, 4096, 0, 8),
  },
  { what: 'an unmap with a bitmap', rule: 'dma-unmap.flags', command: COMMAND.DMA_UNMAP, body: unmapBody(0, 4096, 1) },
  {
    what: 'an unmap of all but with a size',
    rule: 'dma-unmap.range',
    command: COMMAND.DMA_UNMAP,
    body: unmapBody(0, 4096, 2),
  },
  {
    what: 'an unmap off a page boundary',
    rule: 'dma-unmap.range',
    command: COMMAND.DMA_UNMAP,
    body: unmapBody(1, 4096),
  },
  { what: 'an unmap of nothing', rule: 'dma-unmap.range', command: COMMAND.DMA_UNMAP, body: unmapBody(0, 0) },
  {
    what: 'device info with little room',
    rule: 'device-info.argsz',
    command: COMMAND.DEVICE_GET_INFO,
    body: fields(8, 0, 0, 0),
  },
  { what: 'device info cut short', rule: 'message.payload', command: COMMAND.DEVICE_GET_INFO, body: fields(16) },
  { what: 'region info with little room', rule: 'region-info.argsz', command: 5, body: fields(31, 0, 0, 0, 0n, 0n) },
  { what: 'region info of region 9', rule: 'region-info.index', command: 5, body: fields(32, 0, 9, 0, 0n, 0n) },
  { what: 'region info cut short', rule: 'message.payload', command: 5, body: fields(32, 0) },
  { what: 'interrupt info with little room', rule: 'irq-info.argsz', command: 7, body: fields(15, 0, 0, 0) },
  { what: 'interrupt info of index 5', rule: 'irq-info.index', command: 7, body: fields(16, 0, 5, 0) },
  { what: 'interrupt info cut short', rule: 'message.payload', command: 7, body: NONE },
  { what: 'an interrupt setting cut short', rule: 'message.payload', command: 8, body: fields(20, 0x21, 1, 0) },
  { what: 'an interrupt setting of wrong argsz', rule: 'set-irqs.argsz', command: 8, body: fields(24, 0x21, 1, 0, 0) },
  { what: 'an interrupt setting without action', rule: 'set-irqs.flags', command: 8, body: irqs(0x01, 1, 0, 1) },
  { what: 'an interrupt setting of two actions', rule: 'set-irqs.flags', command: 8, body: irqs(0x31, 1, 0, 1) },
  { what: 'an interrupt setting of two kinds of data', rule: 'set-irqs.flags', command: 8, body: irqs(0x23, 1, 0, 1) },
  { what: 'an undefined interrupt flag', rule: 'set-irqs.flags', command: 8, body: irqs(0x61, 1, 0, 1) },
  { what: 'an interrupt that the device has not', rule: 'set-irqs.index', command: 8, body: irqs(0x21, 2, 0, 0) },
  { what: 'a second message interrupt', rule: 'set-irqs.range', command: 8, body: irqs(0x21, 1, 1, 1) },
  { what: 'four billion interrupts', rule: 'set-irqs.range', command: 8, body: irqs(0x21, 1, 0, 0xffffffff) },
  { what: 'masking of messages', rule: 'set-irqs.unsupported', command: 8, body: irqs(0x09, 1, 0, 1) },
  { what: 'booleans that are missing', rule: 'message.payload', command: 8, body: irqs(0x22, 1, 0, 1) },
  {
    what: 'a descriptor where none is meant',
    rule: 'set-irqs.descriptors',
    command: 8,
    body: irqs(0x21, 1, 0, 1),
    fds: ['event'],
  },
  {
    what: 'two eventfds for one interrupt',
    rule: 'set-irqs.descriptors',
    command: 8,
    body: irqs(0x24, 1, 0, 1),
    fds: ['event', 'event'],
  },
  {
    what: 'a file in place of an eventfd',
    rule: 'set-irqs.not-an-eventfd',
    command: 8,
    body: irqs(0x24, 1, 0, 1),
    fds: ['ram'],
  },
  {
    what: 'an eventfd to be unmasked by',
    rule: 'set-irqs.unsupported',
    command: 8,
    body: irqs(0x14, 0, 0, 1),
    fds: ['event'],
  },
  { what: 'a read cut short', rule: 'message.payload', command: COMMAND.REGION_READ, body: fields(0n, 0) },
  {
    what: 'a read with data',
    rule: 'message.payload',
    command: COMMAND.REGION_READ,
    body: writeBody(0, 0, [1, 2, 3, 4]),
  },
  { what: 'a read of a region that the device has not', rule: 'region.index', command: 9, body: readBody(1, 0, 4) },
  { what: 'a read of a region beyond the last', rule: 'region.index', command: 9, body: readBody(0xffffffff, 0, 4) },
  { what: 'a read beyond BAR 0', rule: 'region.offset', command: 9, body: readBody(0, 16 * MIB, 4) },
  { what: 'a read across the end of BAR 2', rule: 'region.offset', command: 9, body: readBody(2, APERTURE - 4, 8) },
  { what: 'a read at a negative offset', rule: 'region.offset', command: 9, body: readBody(0, 0xfffffffffffffffcn, 4) },
  {
    what: 'a read far away whose low half is in range',
    rule: 'region.offset',
    command: 9,
    body: readBody(0, 0x100000000n, 4),
  },
  {
    what: 'a read across the end of configuration space',
    rule: 'region.offset',
    command: 9,
    body: readBody(7, 254, 4),
  },
  { what: 'a read of nothing', rule: 'region.size', command: 9, body: readBody(0, 0, 0) },
  { what: 'a read of no configuration', rule: 'region.size', command: 9, body: readBody(7, 0, 0) },
  { what: 'a read of 3 bytes', rule: 'region.size', command: 9, body: readBody(0, 0, 3) },
  { what: 'a read of 16 bytes', rule: 'region.size', command: 9, body: readBody(0, 0, 16) },
  { what: 'a read of four billion bytes', rule: 'region.offset', command: 9, body: readBody(2, 0, 0xffffffff) },
  { what: 'a read off its alignment', rule: 'region.alignment', command: 9, body: readBody(0, 0x2001, 4) },
  { what: 'an 8-byte read off its alignment', rule: 'region.alignment', command: 9, body: readBody(0, 0x2004, 8) },
  { what: 'a write cut short', rule: 'message.payload', command: 10, body: fields(0n, 0) },
  { what: 'a write whose data is missing', rule: 'message.payload', command: 10, body: readBody(0, 0, 4) },
  {
    what: 'a write with too much data',
    rule: 'message.payload',
    command: 10,
    body: concat(writeBody(0, 0, [1, 2, 3, 4]), NONE, fields(0)),
  },
  { what: 'a write off its alignment', rule: 'region.alignment', command: 10, body: writeBody(0, 2, [1, 2, 3, 4]) },
  { what: 'a write of 5 bytes', rule: 'region.size', command: 10, body: writeBody(2, 0, [1, 2, 3, 4, 5]) },
  {
    what: 'a write to a region that the device has not',
    rule: 'region.index',
    command: 10,
    body: writeBody(6, 0, [1]),
  },
  {
    what: 'a write of 16 bytes of configuration',
    rule: 'region.size',
    command: 10,
    body: writeBody(7, 0, Array(16).fill(0)),
  },
  { what: 'coalesced writes without a count', rule: 'message.payload', command: 15, body: fields(1) },
  { what: 'coalesced writes of a wrong count', rule: 'write-multi.count', command: 15, body: fields(2n, 0n, 0, 4, 0n) },
  {
    what: 'coalesced writes of an absurd count',
    rule: 'write-multi.count',
    command: 15,
    body: fields(0xffffffffffffffffn),
  },
  { what: 'a coalesced write of 9 bytes', rule: 'region.size', command: 15, body: fields(1n, 0n, 0, 9, 0n) },
  {
    what: 'a coalesced write of 9 bytes of configuration',
    rule: 'region.size',
    command: 15,
    body: fields(1n, 0n, 7, 9, 0n),
  },
  { what: 'a second version', rule: 'version.repeated', command: COMMAND.VERSION, body: versionBody() },
  { what: 'a message longer than any', rule: 'message.too-long', command: 10, body: new Uint8Array(100_000) },
];

describe.runIf(native)('a client that breaks the vfio-user protocol', () => {
  let rig: Rig;
  let client: TestClient;
  const sources = { ram: -1, socket: -1, event: -1 };
  beforeEach(() => {
    rig = new Rig(native as Native);
    client = rig.attach();
    sources.ram = rig.ram(MIB);
    sources.event = rig.native.eventfd();
    sources.socket = client.fd;
  });
  afterEach(() => {
    closeFile(sources.ram);
    rig.native.close(sources.event);
    expect(rig.server.counters.unanswered).toBe(0);
    client.close();
    rig.close();
  });

  it.each(CASES)('by $what is refused by $rule, told so once, and served on', (test) => {
    const fds = test.fds?.map((name) => sources[name]);
    const before = openFds();
    const reply = rig.ask(client, test.command, test.body, {
      ...(test.flags === undefined ? {} : { flags: test.flags }),
      ...(fds === undefined ? {} : { fds }),
    });
    expect(reply.flags).toBe(FLAG.REPLY | FLAG.ERROR);
    expect(reply.errno).toBe(RULES[test.rule]);
    expect(reply.body.byteLength).toBe(0);
    expect(rig.server.counters.refusalsByRule()).toEqual({ [test.rule]: 1 });
    expect(openFds()).toBe(before);
    expect(rig.device.writes).toEqual([]);
    expect(rig.ask(client, COMMAND.REGION_READ, readBody(0, 0x2000, 4)).errno).toBe(0);
  });

  it('in a posted message is counted and gets no answer', () => {
    client.send(COMMAND.REGION_WRITE, writeBody(0, 2, [1, 2, 3, 4]), { flags: FLAG.NO_REPLY });
    rig.settle();
    expect(client.replies()).toEqual([]);
    expect(rig.server.counters.refusalsByRule()).toEqual({ 'region.alignment': 1 });
  });

  it('in one of several coalesced writes has the others done', () => {
    const body = concat(fields(3n), fields(0n, 0, 4, 1n), fields(2n, 0, 4, 2n), fields(8n, 0, 4, 3n));
    client.send(COMMAND.REGION_WRITE_MULTI, body, { flags: FLAG.NO_REPLY });
    rig.settle();
    expect(rig.device.writes.map((w) => w.lo)).toEqual([1, 3]);
  });

  it('by mapping over a range is told that it exists', () => {
    rig.ask(client, COMMAND.DMA_MAP, mapBody(0x1000, 0x3000));
    const reply = rig.ask(client, COMMAND.DMA_MAP, mapBody(0x3000, 0x1000));
    expect(reply.errno).toBe(constants.errno.EEXIST);
    expect(rig.server.counters.refusalsByRule()).toEqual({ 'dma-map.overlap': 1 });
  });

  it('by answering what nobody asked is ignored', () => {
    client.send(COMMAND.DMA_READ, fields(0n, 0n), { flags: FLAG.REPLY });
    rig.settle();
    expect(client.replies()).toEqual([]);
    expect(rig.server.counters.refusalsByRule()).toEqual({ 'message.unexpected-reply': 1 });
  });

  it.each([
    ['shorter than its header', 15, 'framing.size'],
    ['of size 0', 0, 'framing.size'],
    ['of 4 GiB', 0xffffffff, 'framing.too-long'],
  ] as const)('by a message %s is let go, since nobody can know where the next begins', (_, size, rule) => {
    client.send(COMMAND.DEVICE_RESET, NONE, { size });
    rig.settle();
    client.replies();
    expect(client.open).toBe(false);
    expect(rig.server.counters.refusalsByRule()).toEqual({ [rule]: 1 });
    expect(rig.detached.length).toBe(1);
  });

  it('by descriptors in the middle of a message loses them', () => {
    const bytes = message(1, COMMAND.REGION_WRITE, writeBody(0, 4, [1, 2, 3, 4]));
    client.raw(bytes.subarray(0, 20));
    rig.settle();
    const before = openFds();
    client.raw(bytes.subarray(20), [sources.ram, sources.ram]);
    rig.settle();
    expect(openFds()).toBe(before);
    expect(client.replies().map((r) => r.errno)).toEqual([0]);
    expect(rig.server.counters.refusalsByRule()).toEqual({ 'message.descriptors-stray': 1 });
  });

  it('by anything before its version is refused', () => {
    const other = rig.connect();
    expect(rig.ask(other, COMMAND.DEVICE_GET_INFO, fields(16, 0, 0, 0)).errno).toBe(RULES['version.first']);
    other.close();
  });

  it.each([
    '{',
    '[]\0',
    '"x"\0',
    '{"capabilities":{}}',
    '{"capabilities":7}\0',
    '{"capabilities":{"max_msg_fds":"9"}}\0',
  ])('by the capabilities %j is refused and may try again', (json) => {
    client.close();
    rig.settle();
    const other = rig.connect();
    expect(rig.ask(other, COMMAND.VERSION, versionBody(json)).errno).toBe(RULES['version.capabilities']);
    expect(rig.ask(other, COMMAND.VERSION, versionBody()).errno).toBe(0);
    client = other;
  });

  it('at random, byte by byte, never ends the daemon, and never leaves a request unanswered', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            command: fc.oneof(fc.integer({ min: 1, max: 16 }), fc.nat(0xffff)),
            flags: fc.oneof(fc.constant(0), fc.constant(16), fc.nat(0xffff)),
            body: fc.uint8Array({ maxLength: 64 }),
            lie: fc.oneof({ weight: 9, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(0xffffffff) }),
            fds: fc.nat(2),
          }),
          { maxLength: 12 },
        ),
        (messages) => {
          const mad = rig.connect();
          rig.settle();
          for (const { command, flags, body, lie, fds } of messages) {
            mad.raw(message(1, command, body, flags, lie === 0 ? undefined : lie), Array(fds).fill(sources.ram));
          }
          rig.settle();
          mad.replies();
          mad.close();
          rig.settle();
        },
      ),
      { numRuns: 200 },
    );
    expect(rig.ask(client, COMMAND.REGION_READ, readBody(0, 0, 4)).errno).toBe(0);
    expect(rig.server.counters.unanswered).toBe(0);
  });
});
