/** Faults of the mediator's own, brought about on purpose: one guest is lost by them, never the mediator. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BCS, RCS } from '../../src/hw/index.js';
import { type JournalHeader, JournalWriter, loadNative, REC, wake } from '../../src/hypervisor/index.js';
import { MediatorService } from '../../src/mediator/service.js';
import { Machine, type ScriptedDriver } from '../support/scripted-driver.js';
import { storeDword, USER_INTERRUPT } from '../support/scripted-guest.js';

const DATA = 0x201;
const MIB = 2 ** 20;

function expectWorks(driver: ScriptedDriver): void {
  const target = driver.guest.bind(0x1100, DATA);
  driver.guest.page(DATA)[0] = 0;
  driver.submit(BCS, 5, storeDword(target, 0x600d, true));
  driver.machine.run();
  expect(driver.guest.page(DATA)[0]).toBe(0x600d);
}

/** From now on the mediator's `time`-th look at the guest's memory throws what nobody expects. */
function breakMemory({ memory }: ScriptedDriver, time: number): void {
  const locate = memory.locate.bind(memory);
  let looks = 0;
  memory.locate = (gfn) => {
    if (++looks >= time) throw new TypeError('memory is broken');
    return locate(gfn);
  };
}

describe('an exception that nobody expected', () => {
  // One after another every look at the guest's memory while it submits, runs and completes.
  test.each(Array.from({ length: 24 }, (_, i) => 1 + 2 * i))(
    'at look %i at a guest’s memory costs that guest its vGPU at most',
    (time) => {
      const machine = new Machine();
      const neighbour = machine.boot();
      const driver = machine.boot();
      const target = driver.guest.bind(0x1100, DATA);
      driver.submit(RCS, 0, [...storeDword(target, 1, true), USER_INTERRUPT, 0]);
      neighbour.submit(RCS, 0, [USER_INTERRUPT, 0]);
      const { locate } = driver.memory;
      // Between traps: what the mediator does on its own account.
      breakMemory(driver, time);
      machine.core.arbiter.service();
      driver.memory.locate = locate;
      machine.run();
      expect(neighbour.workloads).toEqual({ RCS: { complete: 1 } });
      if (driver.vgpu.state === 'failsafe') {
        expect(driver.vgpu.reason).toMatch(/internal error: memory is broken/);
        driver.vgpu.reset();
        driver.bringUp();
      }
      expectWorks(driver);
      expectWorks(neighbour);
      expect(machine.violations).toBe(0);
      expect(driver.vgpu.shadowPages).toBeLessThan(16);
    },
  );

  test('while a context is saved counts as a rejected workload', () => {
    const machine = new Machine();
    const driver = machine.boot();
    driver.submit(RCS, 0, [USER_INTERRUPT, 0]);
    machine.core.advance();
    machine.core.clock.advance(1e6);
    machine.core.gpu.advance(machine.core.clock.now());
    const { locate } = driver.memory;
    breakMemory(driver, 1);
    machine.core.arbiter.service();
    driver.memory.locate = locate;
    machine.run();
    expect(driver.vgpu.reason).toMatch(/internal error: memory is broken/);
    expect(driver.workloads).toEqual({ RCS: { rejected: 1 } });
  });

  test('while a guest is told of a completion', () => {
    const machine = new Machine();
    const neighbour = machine.boot();
    const driver = machine.boot();
    driver.submit(RCS, 0, [USER_INTERRUPT, 0]);
    driver.sim.injectMsi = () => {
      throw new TypeError('no messages');
    };
    machine.run();
    expect(driver.vgpu.reason).toMatch(/internal error: no messages at /);
    expectWorks(neighbour);
  });

  test('in the display’s own time', () => {
    const machine = new Machine();
    const neighbour = machine.boot();
    const driver = machine.boot();
    driver.vgpu.display.advance = () => {
      throw new RangeError('no such pipe');
    };
    machine.run();
    expect(driver.vgpu.reason).toMatch(/internal error: no such pipe at /);
    expectWorks(neighbour);
  });

  test('when the guest attaches leaves the vGPU free for another', () => {
    const machine = new Machine();
    const driver = machine.boot();
    driver.vgpu.detach();
    const pages = machine.core.gpu.poolPages;
    const { attachMemory } = machine.core.gpu;
    machine.core.gpu.attachMemory = () => {
      throw new Error('no frames');
    };
    for (let i = 0; i < 100; i++) expect(() => driver.bus.attach()).toThrow('no frames');
    machine.core.gpu.attachMemory = attachMemory;
    expect(driver.vgpu.state).toBe('waiting');
    driver.bus.attach();
    driver.bringUp();
    expectWorks(driver);
    expect(machine.core.gpu.poolPages).toBe(pages);
  });
});

describe('files that go wrong', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'xengt-faults-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const header = (vgpu: number): JournalHeader => ({
    platform: 'SKL',
    apertureBytes: 512 * MIB,
    grant: {
      vgpu,
      weight: 2,
      lowStart: (64 + 64 * vgpu) * MIB,
      lowBytes: 64 * MIB,
      highStart: (512 + 384 * vgpu) * MIB,
      highBytes: 384 * MIB,
      fenceStart: 4 * vgpu,
      fenceCount: 4,
    },
    type: 'V5_8',
    startNs: 0,
    monitor: false,
    note: '',
  });

  /** A journal of a few reads; `damaged` ends in what no record is. */
  function journal(name: string, vgpu: number, damaged: boolean): string {
    const path = join(folder, name);
    const writer = new JournalWriter(path, header(vgpu));
    for (let i = 0; i < 10; i++) {
      writer.tag(REC.READ);
      writer.bytes(Uint8Array.of(4));
      writer.number(0x2358);
      writer.number(0);
    }
    if (damaged) writer.tag(99);
    writer.close();
    return path;
  }

  test('a journal that is damaged further on ends its own guest, and the mediator runs on', () => {
    const doorbell = new Int32Array(new SharedArrayBuffer(4));
    const service = new MediatorService({ platform: 'SKL', apertureMiB: 512 }, doorbell);
    const native = loadNative();
    const ring = (): void => {
      if (native) wake(native, service.wakeFd);
      else Atomics.store(doorbell, 0, 1);
    };
    service.createVgpu({ name: 'bad', transport: { kind: 'replay', file: journal('bad.xj', 1, true), loop: true } });
    service.createVgpu({ name: 'good', transport: { kind: 'replay', file: journal('good.xj', 2, false), loop: true } });
    let turns = 0;
    ring();
    service.run(() => {
      if (++turns === 50) service.stop();
      else ring();
    });
    const [bad, good] = service.vgpus();
    expect(bad).toMatchObject({
      state: 'failsafe',
      reason: expect.stringMatching(/damaged at byte .*unknown record 99/),
    });
    expect(good).toMatchObject({ state: 'attached', reason: null });
    expect(service.stats().vgpus[1]!.traps.mmio!.read).toBeGreaterThanOrEqual(10);
  });

  test('a journal for a part of the device that cannot be leaves no vGPU behind', () => {
    const service = new MediatorService({ platform: 'SKL', apertureMiB: 512 }, new Int32Array(1));
    for (const vgpu of [0, 5000]) {
      const file = journal('odd.xj', vgpu, false);
      expect(() => service.createVgpu({ name: 'odd', transport: { kind: 'replay', file, loop: false } })).toThrow(
        expect.objectContaining({ code: 'XENGT_E_JOURNAL' }),
      );
    }
    expect(service.vgpus()).toEqual([]);
  });

  test('a full disk ends the journal, and whoever writes it is not told by an exception', () => {
    const writer = new JournalWriter('/dev/full', header(1));
    for (let i = 0; i < 3_000_000; i++) writer.tag(REC.ADVANCE);
    expect(writer.failed).toMatch(/ENOSPC/);
    writer.close();
  });
});
