import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Kills } from './kills.js';
import { type Site, sitesOf } from './sites.js';

const SOURCE = 'src/cmd-parser/judge.ts';
const TEST = 'test/cmd-parser/judge.test.ts';
const sites: readonly Site[] = sitesOf('export const judge = (length: number) => length > 4;\n', SOURCE, 0).sites;

describe('what a run remembers', () => {
  let root: string;
  const put = (path: string, text: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  const opened = (): Kills => new Kills(root, 'kills.jsonl');
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'kills-'));
    for (const folder of ['src/base', 'src/hw', 'src/cmd-parser', 'test/fixtures', 'test/mutation']) {
      put(`${folder}/some.ts`, folder);
    }
    put(TEST, 'first');
    put('test/cmd-parser/other.test.ts', 'other');
    put('test/cmd-parser/helper.ts', 'helper');
    put('package-lock.json', '{}');
    const kills = opened();
    kills.note(sites[0]!, 1, 'killed', TEST);
    kills.note(sites[1]!, 0, 'endless', TEST);
  });
  afterEach(() => rmSync(root, { recursive: true }));

  it('holds in the next run, for each mutation by itself', () => {
    const kills = opened();
    expect([kills.fateOf(sites[0]!, 0), kills.fateOf(sites[0]!, 1)]).toEqual([undefined, 'killed']);
    expect(kills.fateOf(sites[1]!, 0)).toBe('endless');
    kills.note(sites[0]!, 0, 'killed', TEST);
    expect(opened().fateOf(sites[0]!, 0)).toBe('killed');
    expect(opened().fateOf(sites[0]!, 1)).toBe('killed');
  });
  it('holds when another test is written or changed, or a note on a survivor', () => {
    put('test/cmd-parser/new.test.ts', 'new');
    put('test/cmd-parser/other.test.ts', 'changed');
    put('test/mutation/equivalents.ts', 'note');
    expect(opened().fateOf(sites[0]!, 1)).toBe('killed');
  });
  it('is not believed of a test that has changed since, or is gone', () => {
    put(TEST, 'second');
    expect(opened().fateOf(sites[0]!, 1)).toBeUndefined();
    put(TEST, 'first');
    expect(opened().fateOf(sites[0]!, 1)).toBe('killed');
    rmSync(join(root, TEST));
    expect(opened().fateOf(sites[0]!, 1)).toBeUndefined();
  });
  it.each([
    [SOURCE],
    ['src/hw/some.ts'],
    ['src/base/new.ts'],
    ['test/cmd-parser/helper.ts'],
    ['test/fixtures/new.bin'],
    ['test/mutation/sites.ts'],
    ['package-lock.json'],
  ])('is forgotten when %s changes', (path) => {
    put(path, 'changed');
    expect(opened().fateOf(sites[0]!, 1)).toBeUndefined();
    expect(opened().fateOf(sites[1]!, 0)).toBeUndefined();
  });
});
