import { describe, expect, it } from 'vitest';
import { Campaign } from '../../fuzz/campaign.js';
import { FUZZ_TRUSTS, toFile } from '../../fuzz/case.js';
import { Generator } from '../../fuzz/generate.js';
import { Materials } from '../../fuzz/material.js';

const materials = new Materials();
const CASES = 20_000;

describe('a short campaign', () => {
  const campaign = new Campaign(40, materials);

  it('finds no stream that is accepted and does harm, crashes the scanner or costs too much', () => {
    const finding = campaign.run(0, 1, CASES);
    expect(finding === null ? null : JSON.stringify(finding)).toBeNull();
    expect(campaign.tally.cases).toBe(CASES);
    expect(campaign.judge.lookAround()).toBeNull();
  });

  it('accepts and refuses plenty of each kind, and executes what it accepted', () => {
    const { outcomes, commands } = campaign.tally;
    const count = (start: string): number =>
      Object.entries(outcomes).reduce((sum, [name, cases]) => sum + (name.startsWith(start) ? cases : 0), 0);
    for (const trust of FUZZ_TRUSTS) {
      expect([trust, count(`${trust} accepted`) > 100]).toEqual([trust, true]);
      expect([trust, count(`${trust} refused`) > 100]).toEqual([trust, true]);
    }
    expect(commands).toBeGreaterThan(CASES);
  });
});

describe('a case', () => {
  it('is the same whenever and by whomever it is made', () => {
    const [one, other] = [new Generator(materials), new Generator(materials)];
    for (let i = 0; i < 100; i++) one.make(9, i);
    for (const number of [0, 77, 12_345, 2 ** 40 + 3])
      expect(toFile(one.make(9, number))).toEqual(toFile(other.make(9, number)));
    expect(toFile(one.make(9, 5))).not.toEqual(toFile(other.make(10, 5)));
  });

  it('is judged the same whatever was judged before it', () => {
    const [straight, every] = [new Campaign(3, materials), new Campaign(3, materials)];
    straight.run(0, 1, 600);
    const known = new Set(Object.keys(straight.tally.outcomes));
    every.run(598, 1, 2);
    for (const outcome of Object.keys(every.tally.outcomes)) expect([...known]).toContain(outcome);
    const commands = straight.tally.commands;
    straight.run(598, 1, 2);
    expect(straight.tally.commands - commands).toBe(every.tally.commands);
  });
});
