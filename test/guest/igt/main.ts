/** `npm run test:guest -- --igt`: IGT in a guest, and nothing else. */
import { join } from 'node:path';
import type { Checks } from '../checks.js';
import { Mediator } from '../mediator.js';
import { newLogFolder, projectRoot } from '../paths.js';
import { provisionIgt, showProgress } from '../provision/index.js';
import { newRunFolder } from '../run-folder.js';
import { parseSubtest, readList, type Subtest, titleOf } from './lists.js';
import { IgtMachine } from './machine.js';
import { count, runSubtests } from './run.js';

export interface IgtRequest {
  readonly kernel: string;
  /** Subtests by name; */
  readonly names: readonly string[];
  /** lists of them, `FILE` or `FILE#SECTION`; */
  readonly lists: readonly string[];
  readonly memoryMiB: number;
  readonly limitSeconds: number;
}

export const IGT_DEFAULTS = { kernel: 'trixie', memoryMiB: 2048, limitSeconds: 120 } as const;

/** The project's own lists. Every subtest on them is known to pass. */
export function ownList(section?: string): Subtest[] {
  const file = join(projectRoot(), 'test/guest/igt/subtests.txt');
  return readList(section === undefined ? file : `${file}#${section}`);
}

/** Starts a mediator and has a guest on it run `subtests`. */
async function inGuest(request: IgtRequest, subtests: readonly Subtest[]) {
  const rig = await provisionIgt(request.kernel);
  const runFolder = newRunFolder();
  const logFolder = newLogFolder();
  showProgress(`IGT: ${subtests.length} subtests; logs: ${logFolder}`);
  const mediator = await Mediator.start(runFolder, logFolder);
  const { memoryMiB, limitSeconds } = request;
  const machine = new IgtMachine({ client: mediator.client, rig, runFolder, logFolder, memoryMiB, limitSeconds });
  const results = await runSubtests(machine, subtests);
  await machine.stop();
  const isolation = await mediator.client.isolation();
  await mediator.stop();
  return { results, boots: machine.boots, violations: isolation.violations };
}

export async function igtMain(request: IgtRequest): Promise<number> {
  const asked = [...request.names.map(parseSubtest), ...request.lists.flatMap(readList)];
  const { results, boots, violations } = await inGuest(request, asked.length === 0 ? ownList() : asked);
  const pass = count(results, 'pass');
  const skip = count(results, 'skip');
  const fail = count(results, 'fail');
  const timeout = count(results, 'timeout');
  process.stdout.write(
    `IGT: ${pass} pass, ${fail} fail, ${skip} skip, ${timeout} timeout; ${boots} guests booted, ${violations} isolation violations\n`,
  );
  // What the project lists must pass; what somebody else asks for may find that this device does not have it.
  const failed = (asked.length === 0 ? results.length - pass : fail + timeout) + (violations === 0 ? 0 : 1);
  process.stdout.write(`${pass} passed, ${failed} failed\n`);
  return failed === 0 && pass > 0 ? 0 : 1;
}

/** The list that is part of the whole end-to-end test: each subtest is a check. */
export async function checkBasics(checks: Checks, kernel: string): Promise<void> {
  const request = { ...IGT_DEFAULTS, kernel, names: [], lists: [] };
  await checks.works('IGT runs in a guest', async () => {
    const { results, violations } = await inGuest(request, ownList('basic'));
    for (const { subtest, verdict, reason } of results) {
      checks.check(`IGT ${titleOf(subtest)}`, verdict === 'pass', `${verdict}: ${reason}`);
    }
    checks.check('IGT leads to no isolation violation', violations === 0, `${violations}`);
  });
}
