/** What became of a subtest, from IGT's exit code and what it printed. Source: IGT lib/igt_core.h "Exit status". */

export type Verdict = 'pass' | 'fail' | 'skip' | 'timeout';

export interface Outcome {
  readonly verdict: Verdict;
  readonly seconds: number;
  /** Why it was skipped or failed, as IGT says it; empty for a pass. */
  readonly reason: string;
}

const SUCCESS = 0;
const SKIP = 77;
/** No such subtest, or an option that the test does not have. */
export const INVALID = 79;
/** busybox timeout: ended by SIGTERM at its limit, or by the SIGKILL that followed. */
const TIMED_OUT = [124, 137, 143];

export function verdictOf(code: number): Verdict {
  if (code === SUCCESS) return 'pass';
  if (code === SKIP) return 'skip';
  return TIMED_OUT.includes(code) ? 'timeout' : 'fail';
}

/** Lines of IGT's output that say why, the most telling first. */
const REASONS: Readonly<Record<Exclude<Verdict, 'pass'>, readonly RegExp[]>> = {
  skip: [/^Test requirement: (.*)/, /^Test requirement not met .*: (.*)/, /SKIP: (.*)/],
  fail: [
    /Failed assertion: (.*)/,
    /^Received signal (.*)/,
    /^Unknown subtest: (.*)/,
    /^(Timed out waiting for children)/,
    /CRITICAL: (.*)/,
    /WARNING: (.*)/,
  ],
  timeout: [/Failed assertion: (.*)/, /CRITICAL: (.*)/],
};
const ERRNO = /Last errno: (.*)/;

export function reasonIn(verdict: Verdict, log: string): string {
  if (verdict === 'pass') return '';
  const lines = log.split('\n');
  for (const pattern of REASONS[verdict]) {
    const at = lines.findIndex((line) => pattern.test(line));
    if (at < 0) continue;
    const reason = pattern.exec(lines[at] ?? '')?.[1]?.trim() ?? '';
    const errno = ERRNO.exec(lines[at + 1] ?? '')?.[0];
    return errno === undefined ? reason : `${reason}; ${errno}`;
  }
  return lines.findLast((line) => line.trim() !== '')?.trim() ?? 'no output';
}

/** IGT has called the subtest a success, and no other has begun since. */
export function saidSuccess(log: string, subtest: string): boolean {
  const lines = log.split('\n').filter((line) => /^(Starting subtest|Subtest \S+): ?/.test(line));
  return lines.length === 2 && lines[1]?.startsWith(`Subtest ${subtest}: SUCCESS`) === true;
}
