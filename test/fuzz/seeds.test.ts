/** Whatever fuzzing ever found stays found out: each case of seeds/ failed once, in the scanner or in the model, and passes. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { Campaign } from '../../fuzz/campaign.js';
import { type CaseFile, fromFile, toFile } from '../../fuzz/case.js';
import { Materials } from '../../fuzz/material.js';

const FOLDER = new URL('./seeds/', import.meta.url);
const names = readdirSync(fileURLToPath(FOLDER)).filter((name) => name.endsWith('.json'));
const seedOf = (name: string): CaseFile => JSON.parse(readFileSync(new URL(name, FOLDER), 'utf8')) as CaseFile;
const { judge } = new Campaign(0, new Materials(false));

describe('a stream that once was an escape, a crash or a wrong answer', () => {
  it.each(names)('%s is judged rightly now', (name) => {
    expect(judge.judge(fromFile(seedOf(name))).finding).toBeNull();
  });

  it('is kept with what was found, and reads back as it was written', () => {
    expect(names.length).toBeGreaterThan(0);
    for (const name of names) {
      const seed = seedOf(name);
      const { kind, detail, seed: of, case: number, ...stream } = seed;
      expect([name, typeof kind, typeof detail]).toEqual([name, 'string', 'string']);
      expect(of === undefined).toBe(number === undefined);
      expect(toFile(fromFile(seed))).toEqual(stream);
    }
  });
});
