/** Runs lists of IGT subtests in a guest and says what became of each, a line each. */
import { type Subtest, titleOf } from './lists.js';
import type { IgtMachine } from './machine.js';
import type { Outcome, Verdict } from './outcome.js';

export interface Result extends Outcome {
  readonly subtest: Subtest;
}

/** The lines by which a kernel log says that something went wrong, whatever a test thought of it. */
const TROUBLE = /\bWARNING:|\bBUG:|\bOops\b|general protection|\*ERROR\*/;

export async function runSubtests(machine: IgtMachine, subtests: readonly Subtest[]): Promise<Result[]> {
  const results: Result[] = [];
  for (const subtest of subtests) {
    const outcome = await machine.run(subtest);
    results.push({ subtest, ...outcome });
    process.stdout.write(`IGT ${titleOf(subtest)} ${outcome.verdict} ${outcome.seconds.toFixed(1)}\n`);
    if (outcome.reason !== '') process.stdout.write(`        ${outcome.reason}\n`);
    for (const line of machine
      .kernelLog(subtest)
      .filter((text) => TROUBLE.test(text))
      .slice(0, 3)) {
      process.stdout.write(`        kernel: ${line}\n`);
    }
  }
  return results;
}

export function count(results: readonly Result[], verdict: Verdict): number {
  return results.filter((result) => result.verdict === verdict).length;
}
