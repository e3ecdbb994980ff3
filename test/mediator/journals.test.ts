import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { platformByName } from '../../src/hw/index.js';
import { JournalReader, ReplayGuest } from '../../src/hypervisor/index.js';
import { MediatorCore, replayFile } from '../../src/mediator/index.js';

const FOLDER = join(import.meta.dirname, '..', '..', 'assets', 'journals');
const JOURNALS = readdirSync(FOLDER).filter((name) => name.endsWith('.xj'));

test('the shipped journals of real guests are four at least, and 8 MB at most', () => {
  expect(JOURNALS.length).toBeGreaterThanOrEqual(4);
  const bytes = JOURNALS.reduce((sum, name) => sum + statSync(join(FOLDER, name)).size, 0);
  expect(bytes).toBeLessThan(8_000_000);
});

test.each(JOURNALS)('%s: every answer to the recorded guest is the recorded one', (name) => {
  const result = replayFile(join(FOLDER, name));
  expect(result.first).toBeNull();
  expect(result.differing).toBe(0);
  expect(result.answers).toBeGreaterThan(3000);
  expect(result.interruptsReplayed).toBe(result.interruptsRecorded);
  expect(result.failsafe).toBeNull();
  expect(result.violations).toBe(0);
  for (const [engine, results] of Object.entries(result.stats.vgpus[0]!.workloads)) {
    expect(Object.keys(results), engine).not.toContain('rejected');
    expect(results.complete, engine).toBeGreaterThan(20);
  }
  if (name.includes('monitor')) {
    expect(result.screen).toMatchObject({ width: 1024, height: 768 });
    // A line of console text: some pixels are lit, most are not.
    const lit = result.screen!.rgba.filter((byte, i) => i % 4 === 0 && byte > 0x60).length;
    expect(lit).toBeGreaterThan(300);
    expect(lit).toBeLessThan(200_000);
  }
});

test('a replay notices an answer that differs', () => {
  // The journal of a guest with a monitor, played into a vGPU without one.
  const journal = new JournalReader(join(FOLDER, '1-linux-6.1-monitor.xj'));
  const { platform, apertureBytes, grant, type, startNs } = journal.header;
  const core = new MediatorCore({ platform: platformByName(platform)!, apertureBytes });
  core.clock.set(startNs);
  const { vgpu } = core.create({ name: 'blind', type, monitor: false, grant });
  const guest = new ReplayGuest(journal, core.gpu.frameBase(grant.vgpu));
  vgpu.attach(guest);
  const report = guest.verify(vgpu, core.clock, () => core.advance());
  expect(report.differing).toBeGreaterThan(0);
  expect(report.first).toMatch(/^event \d+: read of 0:0x/);
});

test('two journals play side by side, in step with a clock, and all their work completes', () => {
  const headers = JOURNALS.slice(0, 2).map((name) => new JournalReader(join(FOLDER, name)));
  const { platform, apertureBytes } = headers[0]!.header;
  const core = new MediatorCore({ platform: platformByName(platform)!, apertureBytes });
  const seats = headers.map((journal, i) => {
    const { grant, type, monitor } = journal.header;
    const { vgpu, id } = core.create({ name: `guest${i}`, type, monitor, grant });
    const guest = new ReplayGuest(journal, core.gpu.frameBase(grant.vgpu));
    vgpu.attach(guest);
    return { guest, vgpu, id, playing: true };
  });
  while (seats.some((seat) => seat.playing)) {
    for (const seat of seats) seat.playing &&= seat.guest.pump(seat.vgpu, core.clock.now());
    const dueReplays = seats.map((seat) => (seat.playing ? seat.guest.nextDue(core.clock.now()) : Infinity));
    if (core.nextDue() <= core.clock.now()) core.advance();
    const due = Math.min(core.nextDue(), ...dueReplays);
    if (Number.isFinite(due)) core.clock.set(Math.max(due, core.clock.now() + 1000));
  }
  for (const { vgpu, id } of seats) {
    expect(vgpu.reason).toBeNull();
    const results = Object.values(core.arbiter.results(id)!);
    expect(results.length).toBe(4);
    for (const byResult of results) expect(Object.keys(byResult)).toEqual(['complete']);
    expect(vgpu.display.mode()).toMatchObject({ width: 1024, height: 768 });
  }
  expect(core.gpu.oracle.violations).toBe(0);
  for (const engine of core.engines()) {
    const { busySeconds, idleSeconds, switchingSeconds, totalSeconds } = engine;
    expect(busySeconds + idleSeconds + switchingSeconds).toBeCloseTo(totalSeconds, 9);
  }
});
