/** Lists of IGT subtests: `TEST` or `TEST@SUBTEST` a line, in sections named by `[NAME]` lines; `#` begins a comment. */
import { readFileSync } from 'node:fs';
import { reasonOf, XengtError } from '../../../src/base/index.js';

export interface Subtest {
  readonly test: string;
  /** Empty: the whole test. */
  readonly subtest: string;
}

/** What IGT's programs are called, and what their subtests may be called with IGT's wildcards. */
const NAME = /^([a-z0-9][a-z0-9_]*)(?:@([A-Za-z0-9_.,*?!+-]+))?$/;

export function titleOf({ test, subtest }: Subtest): string {
  return subtest === '' ? test : `${test}@${subtest}`;
}

export function parseSubtest(text: string): Subtest {
  const match = NAME.exec(text);
  if (match?.[1] === undefined) {
    throw new XengtError('XENGT_E_USAGE', `"${text}" is no IGT subtest; write TEST or TEST@SUBTEST`);
  }
  return { test: match[1], subtest: match[2] ?? '' };
}

/** The sections of a list in the order of the text; what comes before the first section has the name "". */
export function parseLists(text: string): Map<string, Subtest[]> {
  const lists = new Map<string, Subtest[]>();
  let section = '';
  for (const raw of text.split('\n')) {
    const line = raw.replace(/#.*/, '').trim();
    if (line === '') continue;
    const heading = /^\[(.+)\]$/.exec(line);
    if (heading?.[1] === undefined) lists.set(section, [...(lists.get(section) ?? []), parseSubtest(line)]);
    else section = heading[1].trim();
  }
  return lists;
}

/** What `FILE` or `FILE#SECTION` names; a file without a section is all that it lists. */
export function readList(where: string): Subtest[] {
  const hash = where.lastIndexOf('#');
  const file = hash < 0 ? where : where.slice(0, hash);
  const section = hash < 0 ? undefined : where.slice(hash + 1);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new XengtError('XENGT_E_USAGE', `--igt-list: ${reasonOf(cause)}`, { cause });
  }
  const lists = parseLists(text);
  const found = section === undefined ? [...lists.values()].flat() : lists.get(section);
  if (found === undefined || found.length === 0) {
    const names = [...lists.keys()].map((name) => `[${name}]`).join(' ');
    throw new XengtError('XENGT_E_USAGE', `--igt-list ${where}: nothing is listed there; the file has ${names}`);
  }
  return found;
}
