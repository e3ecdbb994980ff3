import { beforeEach, describe, expect, test } from 'vitest';
import { type EngineId, RCS } from '../../src/hw/index.js';
import { SparseMemory } from '../../src/hypervisor/sim/index.js';
import { ExeclistPort } from '../../src/vgpu/execlist.js';

/** A guest driver's view of one engine's port: writes ELSP, reads the status buffer in its status page. */
class Driver {
  readonly bank = new Uint32Array(0x80000);
  readonly memory = new SparseMemory(0);
  readonly submitted: { tag: number; lrca: number; head: number; tail: number }[] = [];
  readonly refused: string[] = [];
  interrupts = 0;
  readonly port: ExeclistPort;
  #read = 5;

  constructor() {
    this.memory.map(0, 64);
    this.bank[0x2080 >>> 2] = 0x1000;
    this.port = new ExeclistPort(this, RCS);
  }
  gfnOfGmadrPage(page: number): number {
    return page < 64 ? page : -1;
  }
  submit(workload: { tag: number; lrca: number; head: number; tail: number }): void {
    const { tag, lrca, head, tail } = workload;
    this.submitted.push({ tag, lrca, head, tail });
  }
  contextSwitched(_engine: EngineId): void {
    this.interrupts++;
  }
  refuse(rule: string): void {
    this.refused.push(rule);
  }
  /** A context whose image starts at page `page`; its ring is 16 KiB. */
  setRing(page: number, head: number, tail: number): void {
    const at = this.memory.locate(page + 1);
    this.memory.words[at + 5] = head;
    this.memory.words[at + 7] = tail;
    this.memory.words[at + 0xb] = 0x3001;
  }
  descriptor(page: number): number {
    return page * 4096 + 0x119;
  }
  elsp(first: [number, number], second: [number, number] = [0, 0]): void {
    this.port.writeElsp(second[1]);
    this.port.writeElsp(second[0]);
    this.port.writeElsp(first[1]);
    this.port.writeElsp(first[0]);
  }
  /** New status buffer entries, as [status, context id]. */
  events(): [number, number][] {
    const at = this.memory.locate(1);
    const events: [number, number][] = [];
    while (this.#read !== this.memory.words[at + 0x1f]!) {
      this.#read = (this.#read + 1) % 6;
      events.push([this.memory.words[at + 0x10 + 2 * this.#read]!, this.memory.words[at + 0x11 + 2 * this.#read]!]);
    }
    return events;
  }
}

describe('a guest driver that submits contexts', () => {
  let driver: Driver;
  beforeEach(() => {
    driver = new Driver();
    driver.setRing(8, 0, 0x40);
    driver.setRing(16, 0, 0x80);
  });

  test('sees one context start and end', () => {
    driver.elsp([driver.descriptor(8), 77]);
    expect(driver.events()).toEqual([[0x1, 0]]);
    expect(driver.submitted).toEqual([{ tag: 1, lrca: 0x8000, head: 0, tail: 0x40 }]);
    expect(driver.bank[0x2238 >>> 2]).toBe(77);
    driver.port.done(1, true);
    expect(driver.events()).toEqual([[0x18, 77]]);
    expect(driver.interrupts).toBe(2);
    expect(driver.bank[0x2238 >>> 2]).toBe(0);
  });

  test('sees the switch from the first element to the second', () => {
    driver.elsp([driver.descriptor(8), 1], [driver.descriptor(16), 2]);
    driver.port.done(1, true);
    expect(driver.events()).toEqual([
      [0x1, 0],
      [0x14, 1],
    ]);
    driver.port.done(2, true);
    expect(driver.events()).toEqual([[0x18, 2]]);
  });

  test('may move the tail of the running context: lite restore, and only the new commands are submitted', () => {
    driver.elsp([driver.descriptor(8), 1]);
    driver.setRing(8, 0, 0xc0);
    driver.elsp([driver.descriptor(8), 1], [driver.descriptor(16), 2]);
    expect(driver.events()).toEqual([
      [0x1, 0],
      [0x8002, 1],
    ]);
    driver.port.done(1, true);
    expect(driver.submitted.at(-1)).toMatchObject({ lrca: 0x8000, head: 0x40, tail: 0xc0 });
    expect(driver.events()).toEqual([]);
    driver.port.done(2, true);
    expect(driver.events()).toEqual([[0x14, 1]]);
  });

  test('may move it any number of times: each is acknowledged, and all that came meanwhile is one piece of work', () => {
    driver.elsp([driver.descriptor(8), 1]);
    for (let tail = 0x48; tail <= 0x800; tail += 8) {
      driver.setRing(8, 0, tail);
      driver.elsp([driver.descriptor(8), 1]);
      expect(driver.events().at(-1)).toEqual([0x8002, 1]);
    }
    expect(driver.submitted).toHaveLength(1);
    driver.port.done(1, true);
    expect(driver.submitted).toHaveLength(2);
    expect(driver.submitted.at(-1)).toMatchObject({ lrca: 0x8000, head: 0x40, tail: 0x800 });
    driver.port.done(2, true);
    expect(driver.events()).toEqual([[0x18, 1]]);
  });

  test('gets another context queued behind the running one, acknowledged when it starts', () => {
    driver.elsp([driver.descriptor(8), 1]);
    driver.elsp([driver.descriptor(16), 2]);
    expect(driver.events()).toEqual([[0x1, 0]]);
    driver.port.done(1, true);
    expect(driver.events()).toEqual([
      [0x18, 1],
      [0x1, 0],
    ]);
    driver.elsp([driver.descriptor(8), 1]);
    driver.elsp([driver.descriptor(8), 1]);
    expect(driver.refused).toEqual(['elsp-queue-full']);
  });

  test('finds a context with an empty ring finished at once', () => {
    driver.setRing(8, 0x40, 0x40);
    driver.elsp([driver.descriptor(8), 1]);
    expect(driver.submitted).toEqual([]);
    expect(driver.events()).toEqual([
      [0x1, 0],
      [0x18, 1],
    ]);
  });

  test('gets no completion for a hung workload, and starts afresh after a reset', () => {
    driver.elsp([driver.descriptor(8), 1]);
    driver.port.done(1, false);
    expect(driver.events()).toEqual([[0x1, 0]]);
    driver.port.reset();
    driver.port.writePointer(0xffff0505);
    driver.elsp([driver.descriptor(8), 1]);
    expect(driver.bank[0x23a0 >>> 2]! & 7).toBe(0);
  });

  test.each([
    ['an element 0 that is not valid', 0x8118],
    ['no privilege bit', 0x8019],
    ['an advanced addressing mode', 0x8101],
  ])('is refused with %s', (_what, descriptor) => {
    driver.elsp([descriptor, 1]);
    expect(driver.refused).toEqual(['elsp-element0']);
    expect(driver.interrupts).toBe(0);
  });
});
