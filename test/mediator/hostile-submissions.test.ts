/**
 * Submissions that no driver makes, beside a neighbour that renders: what becomes of the guest, and that the neighbour loses less
 * than one slice each time. docs/security-model.md has the rules.
 */
import { describe, expect, test } from 'vitest';
import { BCS, ENGINES, type EngineId, G2V, RCS, RING } from '../../src/hw/index.js';
import { DESCRIPTOR_FLAGS, Machine, type ScriptedDriver } from '../support/scripted-driver.js';
import { BATCH_END, startBatch, storeDword, USER_INTERRUPT } from '../support/scripted-guest.js';

const MS = 1e6;
/** Of two vGPUs of one weight. */
const SLICE = 4 * MS;
const DATA = 0x201;
const SECRET = 0x202;
const STATE_FRAME = 0x101;
const RING_FRAME = 0x11e;
const GIB = 2 ** 30;
const STATE = { HEAD: 5, TAIL: 7, START: 9, PDP0_LDW: 0x33 };
const GDRST = 0x941c;
const GDRST_FULL = 1;
/** MI_SEMAPHORE_WAIT: polls the global table until the dword is not less than 1. Source: PRM SKL Vol 2a. */
const WAIT_FOR_ONE = 0x0e40_9002;
/** MI_LOAD_REGISTER_IMM of the engine's status page address. */
const FORBIDDEN = [0x11000001, 0x2080, 0, 0];

interface Hostile {
  readonly name: string;
  act(driver: ScriptedDriver, neighbour: ScriptedDriver): void;
  /** Why the vGPU is lost; left out where it stays. */
  readonly failsafe?: RegExp;
  /** Engines that the driver has to reset before it can go on. */
  readonly hangs?: true;
  /** Its memory is not what it was. */
  readonly forGood?: true;
}

function context(spoil: (state: Uint32Array, driver: ScriptedDriver, lrca: number) => void): Hostile['act'] {
  return (driver) => {
    const { lrca } = driver.guest.context(0, [0, 0]);
    spoil(driver.guest.page(STATE_FRAME), driver, lrca);
    driver.writeElsp(RCS, [lrca + DESCRIPTOR_FLAGS, 1]);
  };
}

/** Work in an address space to which something happens while the engine is the neighbour's. */
function queued(meanwhile: (driver: ScriptedDriver) => void): Hostile['act'] {
  return (driver, neighbour) => {
    const { guest } = driver;
    guest.mapPpgtt(GIB, DATA);
    guest.page(DATA).set([...storeDword(GIB + 0x800, 9, false), BATCH_END]);
    neighbour.submit(RCS, 2, new Array<number>(900).fill(0));
    driver.submit(RCS, 0, [...startBatch(GIB), 0]);
    meanwhile(driver);
  };
}

const HOSTILE: readonly Hostile[] = [
  {
    name: 'a context whose ring is its own register state',
    act: context((state, _driver, lrca) => {
      state[STATE.START] = lrca + 0x1000;
      state[STATE.TAIL] = 0x200;
    }),
    failsafe: /RCS ring .* refused \[unknown-command\]/,
  },
  {
    name: 'a context all of whose pages are one page',
    act: context((_state, { guest }) => {
      for (let page = 0; page < 22; page++) guest.bind(page, STATE_FRAME);
    }),
  },
  {
    name: 'a context that is its own page table',
    act: context((state) => (state[STATE.PDP0_LDW] = STATE_FRAME * 4096)),
  },
  {
    name: 'a context into whose register state its engine reports',
    act: context((_state, driver, lrca) => driver.write(ENGINES[RCS]!.mmioBase + RING.HWS_PGA, lrca + 0x1000)),
  },
  {
    name: 'a ring whose head is past its tail, with nothing but no-ops in it',
    act: context((state, { guest }) => {
      guest.page(RING_FRAME).fill(0);
      state[STATE.HEAD] = 0x800;
      state[STATE.TAIL] = 8;
    }),
  },
  {
    name: 'a ring whose head is past its tail, with a forbidden command behind its wrap',
    act: context((state, { guest }) => {
      guest.page(RING_FRAME).fill(0);
      guest.page(RING_FRAME).set(FORBIDDEN);
      state[STATE.HEAD] = 0x800;
      state[STATE.TAIL] = 0x10;
    }),
    failsafe: /MI_LOAD_REGISTER_IMM/,
  },
  {
    name: 'a tail that is moved back behind what runs, with a forbidden command in between',
    act: (driver) => {
      const { lrca } = driver.guest.context(0, [0, 0, 0, 0, 0, 0, 0, 0]);
      driver.writeElsp(RCS, [lrca + DESCRIPTOR_FLAGS, 1]);
      driver.guest.page(RING_FRAME).set(FORBIDDEN, 16);
      driver.guest.page(STATE_FRAME)[STATE.TAIL] = 8;
      driver.writeElsp(RCS, [lrca + DESCRIPTOR_FLAGS, 1]);
    },
    failsafe: /MI_LOAD_REGISTER_IMM/,
  },
  {
    name: 'ELSP written by two processors at once',
    act: (driver) => {
      const one = driver.guest.context(0, [0, 0]).lrca + DESCRIPTOR_FLAGS;
      const other = driver.guest.context(1, [0, 0]).lrca + DESCRIPTOR_FLAGS;
      const elsp = ENGINES[RCS]!.mmioBase + RING.ELSP;
      for (const [a, b] of [
        [0, 0],
        [0, 0],
        [1, 2],
        [one, other],
      ] as const) {
        driver.write(elsp, a);
        driver.write(elsp, b);
      }
    },
  },
  {
    name: 'an address space given up while its work waits',
    act: queued((driver) => driver.notifyPpgtt(G2V.PPGTT_L4_DESTROY, driver.guest.pml4 * 4096)),
  },
  {
    name: 'an address space whose tables stop being memory while its work waits',
    act: queued(({ memory, guest }) => memory.unmap(guest.pml4, 1)),
    failsafe: /holds a PML4 but is no longer RAM/,
    forGood: true,
  },
  {
    name: 'two engines that wait for each other’s semaphores',
    act: (driver) => {
      const { guest } = driver;
      const forRender = guest.bind(0x1200, 0x310);
      const forBlitter = guest.bind(0x1201, 0x311);
      guest.page(0x310).fill(0);
      guest.page(0x311).fill(0);
      driver.submit(RCS, 0, [WAIT_FOR_ONE, 1, forRender, 0, ...storeDword(forBlitter, 1, true), 0, 0]);
      driver.submit(BCS, 1, [WAIT_FOR_ONE, 1, forBlitter, 0, ...storeDword(forRender, 1, true), 0, 0]);
    },
    hangs: true,
  },
];

/** Frames of the neighbour on an engine, one every 3 ms. @returns how long each took, ns */
function render(machine: Machine, neighbour: ScriptedDriver, engine: EngineId, count: number): number[] {
  const target = neighbour.guest.bind(0x1100 + engine, DATA + 0x100 + engine);
  const times: number[] = [];
  for (let frame = 1; frame <= count; frame++) {
    const value = neighbour.guest.page(DATA + 0x100 + engine)[0]! + 1;
    const begun = machine.core.clock.now();
    neighbour.submit(engine, 3 + engine, [...storeDword(target, value, true), USER_INTERRUPT, 0]);
    while (neighbour.guest.page(DATA + 0x100 + engine)[0] !== value) {
      machine.run(0.02 * MS);
      if (machine.core.clock.now() - begun > 1000 * MS) throw new Error('the neighbour waits in vain');
    }
    times.push(machine.core.clock.now() - begun);
    machine.run(3 * MS);
  }
  return times;
}

describe('a guest that submits', () => {
  test.each(HOSTILE.map((row) => [row.name, row] as const))('%s', (_name, { act, failsafe, hangs, forGood }) => {
    const machine = new Machine();
    const driver = machine.boot();
    const neighbour = machine.boot();
    neighbour.guest.page(SECRET).fill(0x5ec2e7);
    render(machine, neighbour, RCS, 5);
    for (let again = 0; again < 3; again++) {
      act(driver, neighbour);
      const times = ([RCS, BCS] as const).flatMap((engine) => render(machine, neighbour, engine, 5));
      expect(Math.max(...times)).toBeLessThan(SLICE);
      if (failsafe) {
        expect(driver.vgpu.state).toBe('failsafe');
        expect(driver.vgpu.reason).toMatch(failsafe);
        break;
      }
      expect(driver.vgpu.reason).toBeNull();
      if (!hangs) continue;
      // Its own driver finds that the engines do not get on, and starts them anew.
      driver.write(GDRST, GDRST_FULL);
      driver.guest.page(driver.guest.pml4).fill(0);
      driver.bringUp();
    }
    expect(machine.violations).toBe(0);
    expect([...neighbour.guest.page(SECRET)].every((word) => word === 0x5ec2e7)).toBe(true);
    expect(neighbour.vgpu.state).toBe('attached');

    if (forGood) return;
    // With a reset of its device the guest is as good as new.
    driver.vgpu.reset();
    driver.guest.page(driver.guest.pml4).fill(0);
    driver.bringUp();
    driver.submit(RCS, 2, storeDword(driver.guest.bind(0x1300, DATA), 3, true));
    machine.run(10 * MS);
    expect(driver.guest.page(DATA)[0]).toBe(3);
    expect(machine.violations).toBe(0);
  });
});
