/** Reads the output of a whole IGT test: what became of each of its subtests, and why. */
import type { Verdict } from './outcome.js';

export interface SubtestResult {
  /** Empty: a test without subtests. */
  readonly name: string;
  readonly verdict: Verdict;
  readonly seconds: number;
  readonly reason: string;
}

/** The lines that IGT prints as subtests begin and end, and why (IGT lib/igt_core.c). */
const BEGIN = /^Starting subtest: (\S+)/;
const END = /^Subtest (\S+?): ([A-Z]+)(?: \(([\d.]+)s\))?/;
const WHOLE = /^([A-Z]+) \(([\d.]+)s\)/;
const REQUIREMENT = /^Test requirement: (.*)/;
const FAILURE = /Failed assertion: (.*)|^Received signal (.*?)\.?$/;
/** What is printed around every test, and says nothing of it. */
const NOISE =
  /^(?:IGT-Version|Using IGT_SRANDOM|Opened device|Starting dynamic|Dynamic subtest|Test requirement not met|Last errno|Stack trace|\s+#|\*\*\*\*|\[|\s*$)/;

const VERDICTS: Readonly<Record<string, Verdict>> = { SUCCESS: 'pass', SKIP: 'skip' };

export interface TestLog {
  readonly results: readonly SubtestResult[];
  /** The subtest that had begun and not ended when the output stopped. */
  readonly unfinished: string | null;
  /** What was said last of why: for a test that ends outside its subtests. */
  readonly reason: string;
}

export function parseTestLog(log: string): TestLog {
  const results = new Map<string, SubtestResult>();
  let unfinished: string | null = null;
  // What is required before the first subtest of a group holds for all of the group.
  let groupRequirement = '';
  let requirement = '';
  let failure = '';
  let said = '';
  for (const line of log.split('\n')) {
    const begin = BEGIN.exec(line)?.[1];
    if (begin !== undefined) {
      unfinished = begin;
      requirement = '';
      failure = '';
      said = '';
      continue;
    }
    const end = END.exec(line);
    const whole = end === null ? WHOLE.exec(line) : null;
    const word = end?.[2] ?? whole?.[1];
    if (word === undefined) {
      const needed = REQUIREMENT.exec(line)?.[1];
      const failed = FAILURE.exec(line);
      if (needed !== undefined && unfinished === null) groupRequirement = needed;
      else if (needed !== undefined) requirement = needed;
      // The first assertion is the cause; those of a dying test's clean-up follow from it.
      else if (failed !== null) failure ||= failed[1] ?? failed[2] ?? '';
      else if (!NOISE.test(line)) said = line.trim();
      continue;
    }
    const verdict = VERDICTS[word] ?? 'fail';
    const name = end?.[1] ?? '';
    const required = name === unfinished ? requirement : groupRequirement;
    const reason = verdict === 'pass' ? '' : (verdict === 'skip' ? required : failure) || said;
    results.set(name, { name, verdict, seconds: Number(end?.[3] ?? whole?.[2] ?? 0), reason });
    if (name === unfinished) unfinished = null;
    requirement = '';
    failure = '';
  }
  return { results: [...results.values()], unfinished, reason: failure || requirement || groupRequirement || said };
}
