import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EngineLedger, Waits } from '../../src/scheduler/index.js';

/** What an engine goes through for one workload: preparation, run, end; or a preparation that is refused. */
const job = fc.record({
  vgpu: fc.integer({ min: 1, max: 4 }),
  idle: fc.nat(1_000_000),
  prepare: fc.nat(100_000),
  run: fc.nat(5_000_000),
  /** Part of the run that the engine's clock counts. */
  part: fc.double({ min: 0, max: 1.5, noNaN: true }),
  refused: fc.boolean(),
  lookedAt: fc.boolean(),
});

describe('engine time', () => {
  test('adds up whatever the engine did, and no account ever runs backwards', () => {
    fc.assert(
      fc.property(fc.array(job), fc.nat(1000), (jobs, start) => {
        const ledger = new EngineLedger(start);
        let now = start;
        const shown = new Array<number>(5).fill(0);
        const owed = new Array<number>(5).fill(0);
        const look = (): void => {
          const totals = ledger.totals(now);
          expect(totals.total).toBeCloseTo((now - start) / 1e9, 12);
          expect(totals.busy + totals.idle + totals.switching).toBeCloseTo(totals.total, 9);
          let busy = 0;
          let switching = 0;
          for (let vgpu = 1; vgpu <= 4; vgpu++) {
            const seconds = ledger.busySeconds(vgpu, now);
            expect(seconds).toBeGreaterThanOrEqual(shown[vgpu]! - 1e-12);
            shown[vgpu] = seconds;
            busy += seconds;
            switching += ledger.switchingSeconds(vgpu, now);
          }
          expect(busy).toBeCloseTo(totals.busy, 9);
          expect(switching).toBeCloseTo(totals.switching, 9);
        };
        for (const { vgpu, idle, prepare, run, part, refused, lookedAt } of jobs) {
          now += idle;
          ledger.switchTo(vgpu, now);
          now += prepare;
          if (refused) ledger.rest(now);
          else {
            ledger.run(vgpu, now);
            now += run / 2;
            if (lookedAt) look();
            now += run / 2;
            const booked = ledger.end(part * run, now);
            expect(booked).toBeLessThanOrEqual(prepare + run);
            const known = part * run + owed[vgpu]!;
            if (!lookedAt) expect(booked).toBeCloseTo(Math.min(prepare + run, known), 3);
            owed[vgpu] = Math.min(10e6, Math.max(0, known - booked));
          }
          look();
        }
        now += 17;
        look();
      }),
    );
  });

  test('that the engine’s clock does not count is switching, on behalf of the vGPU that it was for', () => {
    const ledger = new EngineLedger(0);
    ledger.switchTo(3, 1_000);
    ledger.run(3, 2_000);
    expect(ledger.end(6_000, 10_000)).toBe(6_000);
    expect(ledger.busySeconds(3, 10_000)).toBeCloseTo(6e-6, 15);
    expect(ledger.switchingSeconds(3, 10_000)).toBeCloseTo(3e-6, 15);
    expect(ledger.totals(20_000)).toEqual({
      busy: expect.closeTo(6e-6, 15),
      switching: expect.closeTo(3e-6, 15),
      idle: expect.closeTo(11e-6, 15),
      total: 20e-6,
    });
  });

  test('counts for a vGPU from when the device began, also where that was before all was prepared', () => {
    const ledger = new EngineLedger(0);
    ledger.switchTo(1, 1_000);
    ledger.run(1, 1_300);
    // Its clock stood still at 1000 while the mediator prepared, and the device ran from then to 2900.
    expect(ledger.end(1_900, 3_000)).toBe(1_900);
    expect(ledger.switchingSeconds(1, 3_000)).toBeCloseTo(1e-7, 15);
    // What has been told of is not taken back.
    ledger.switchTo(1, 3_000);
    ledger.run(1, 3_300);
    expect(ledger.switchingSeconds(1, 4_000)).toBeCloseTo(4e-7, 15);
    expect(ledger.end(1_900, 5_000)).toBe(1_700);
    // What did not fit is charged later.
    ledger.switchTo(1, 5_000);
    ledger.run(1, 5_000);
    expect(ledger.end(100, 6_000)).toBe(300);
    // Lost without a trace of how long it ran: from its submission on.
    ledger.switchTo(2, 6_000);
    ledger.run(2, 6_400);
    expect(ledger.end(Number.POSITIVE_INFINITY, 7_000)).toBe(600);
  });
});

describe('waiting time', () => {
  test('is counted from the first of what waits to when it is taken up, and so far while it lasts', () => {
    const waits = new Waits();
    waits.begin(1_000);
    waits.begin(5_000);
    expect(waits.total(8_000)).toBe(7_000);
    waits.taken(11_000);
    waits.taken(12_000);
    waits.begin(20_000);
    waits.given(21_000);
    expect(waits.total(99_000)).toBe(11_000);
    expect(waits.stats(99_000)).toMatchObject({ count: 1, longestSeconds: 1e-5 });
  });

  test('has percentiles that are at most a fifth too long', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1000, max: 2e9 }), { minLength: 1 }),
        fc.integer({ min: 1, max: 100 }),
        (all, percent) => {
          const waits = new Waits();
          let now = 0;
          for (const ns of all) {
            waits.begin(now);
            now += ns;
            waits.taken(now);
          }
          const sorted = all.toSorted((a, b) => a - b);
          const exact = sorted[Math.max(0, Math.ceil((all.length * percent) / 100) - 1)]!;
          expect(waits.percentile(percent)).toBeGreaterThanOrEqual(exact * 0.999);
          expect(waits.percentile(percent)).toBeLessThanOrEqual(exact * 1.2);
        },
      ),
    );
  });
});
