/** What of a guest's contexts is copied, and that it finds them as the engine left them. */
import { beforeEach, describe, expect, test } from 'vitest';
import { CTX_DWORDS, RCS } from '../../src/hw/index.js';
import { MOST_SHADOWS } from '../../src/scheduler/index.js';
import { USER_INTERRUPT } from '../support/scripted-guest.js';
import { Machine, Tenant } from './machine.js';

const PAGES = 22;
const MS = 1e6;

let machine: Machine;
let guest: Tenant;
let tag = 0;
beforeEach(() => {
  machine = new Machine();
  guest = new Tenant(machine, 1);
});

/** Submits the context of a slot. @returns bytes of its image that were copied to the shadow and back */
function run(slot: number): { readonly into: number; readonly back: number } {
  const before = { ...machine.arbiter.copiedBytes(1) };
  guest.submit(RCS, ++tag, slot, [USER_INTERRUPT, 0]);
  machine.run(MS);
  expect(guest.done.at(-1)).toMatchObject({ tag, result: 'complete' });
  const { contextIn, contextOut } = machine.arbiter.copiedBytes(1);
  return { into: contextIn - before.contextIn, back: contextOut - before.contextOut };
}

const page = (slot: number, number: number): Uint32Array => guest.guest.page(0x100 + 0x20 * slot + number);

/** Something different in every page of a context's image. */
function fill(slot: number, seed: number): void {
  for (let number = 2; number < PAGES; number++) {
    for (let i = 0; i < 1024; i += 97) page(slot, number)[i] = (seed * 0x01000193 + number * 1024 + i) >>> 0;
  }
}

function expectFilled(slot: number, seed: number): void {
  for (let number = 2; number < PAGES; number++) {
    for (let i = 0; i < 1024; i += 97) {
      expect(page(slot, number)[i]).toBe((seed * 0x01000193 + number * 1024 + i) >>> 0);
    }
  }
}

describe('a context', () => {
  test('is copied when it is submitted first, and not again when nothing in it has changed', () => {
    fill(0, 1);
    const first = run(0);
    expect(first.into).toBeGreaterThanOrEqual((PAGES - 2) * 4096);
    run(0);
    for (let again = 0; again < 5; again++) expect(run(0)).toEqual({ into: 0, back: 0 });
    expectFilled(0, 1);
  });

  test('that the guest’s CPU wrote to has the pages copied that it wrote, and no others', () => {
    fill(0, 1);
    run(0);
    run(0);
    page(0, 7)[5] = 0xabcd;
    page(0, 20)[1023] = 0x1234;
    expect(run(0)).toEqual({ into: 2 * 4096, back: 0 });
    page(0, 1)[CTX_DWORDS + 8] = page(0, 1)[CTX_DWORDS + 8]! + 1;
    expect(run(0).into).toBe(4096 - 4 * CTX_DWORDS);
    expect(page(0, 7)[5]).toBe(0xabcd);
  });

  test('keeps its content apart from the others’ of the same engine, and alternates without copies', () => {
    for (let slot = 0; slot < 4; slot++) fill(slot, slot + 1);
    for (let round = 0; round < 2; round++) for (let slot = 0; slot < 4; slot++) run(slot);
    for (let slot = 0; slot < 4; slot++) expect(run(slot)).toEqual({ into: 0, back: 0 });
    for (let slot = 0; slot < 4; slot++) expectFilled(slot, slot + 1);
  });

  test('that comes after more others than there are shadows is copied again, and whole', () => {
    for (let slot = 0; slot <= MOST_SHADOWS; slot++) fill(slot, slot + 1);
    const pages = machine.model.poolPages;
    for (let slot = 0; slot <= MOST_SHADOWS; slot++) run(slot);
    expect(run(0).into).toBeGreaterThanOrEqual((PAGES - 2) * 4096);
    expect(run(MOST_SHADOWS)).toEqual({ into: 0, back: 0 });
    for (let slot = 0; slot <= MOST_SHADOWS; slot++) expectFilled(slot, slot + 1);
    expect(machine.model.poolPages).toBe(pages);
  });

  test('whose pages are other memory now is another context, though its address is the same', () => {
    fill(0, 1);
    run(0);
    // The guest gives the addresses to other frames.
    const base = guest.guest.ggttBase;
    fill(3, 9);
    guest.submit(RCS, ++tag, 0, [USER_INTERRUPT, 0]);
    for (let number = 2; number < PAGES; number++) guest.guest.writeGgtt(base + number, (0x160 + number) * 4096 + 1, 0);
    machine.run(MS);
    expect(guest.done.at(-1)).toMatchObject({ tag, result: 'complete' });
    expectFilled(3, 9);
    expectFilled(0, 1);
  });

  test('whose pages lie here and there in the guest’s memory is looked at page by page, with the same outcome', () => {
    fill(0, 1);
    const scatter = (): void => {
      for (const number of [4, 11])
        guest.guest.writeGgtt(guest.guest.ggttBase + number, (0x700 + number) * 4096 + 1, 0);
    };
    const submit = (): { into: number; back: number } => {
      const before = { ...machine.arbiter.copiedBytes(1) };
      guest.submit(RCS, ++tag, 0, [USER_INTERRUPT, 0]);
      scatter();
      machine.run(MS);
      expect(guest.done.at(-1)).toMatchObject({ tag, result: 'complete' });
      const { contextIn, contextOut } = machine.arbiter.copiedBytes(1);
      return { into: contextIn - before.contextIn, back: contextOut - before.contextOut };
    };
    guest.guest.page(0x70b)[9] = 0x77;
    submit();
    submit();
    expect(submit()).toEqual({ into: 0, back: 0 });
    guest.guest.page(0x70b)[9] = 0x78;
    expect(submit()).toEqual({ into: 4096, back: 0 });
    expect(guest.guest.page(0x70b)[9]).toBe(0x78);
  });

  test('with a page that is not mapped is refused, and its shadow does no harm later', () => {
    fill(0, 1);
    run(0);
    guest.submit(RCS, ++tag, 0, [USER_INTERRUPT, 0]);
    guest.guest.writeGgtt(guest.guest.ggttBase + 9, 0, 0);
    machine.run(MS);
    expect(guest.done.at(-1)).toMatchObject({ tag, result: 'rejected', reason: expect.stringMatching(/not mapped/) });
    fill(0, 5);
    run(0);
    expectFilled(0, 5);
  });
});

test('a guest that goes away leaves no shadow behind', () => {
  const free = (): number => {
    let count = 0;
    const taken = [];
    for (;;) {
      try {
        taken.push(machine.gpu.allocate(64, 0));
        count++;
      } catch {
        for (const pages of taken) machine.gpu.free(pages);
        return count;
      }
    }
  };
  guest.guest.mapPpgtt(0x1000_0000, 0x200);
  const before = free();
  for (let slot = 0; slot < 6; slot++) run(slot);
  machine.arbiter.detach(1);
  expect(free()).toBe(before);
});
