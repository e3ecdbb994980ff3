/** `npm run test:guest -- --igt`: IGT in a guest, and nothing else. */
import { join } from 'node:path';
import type { Checks } from '../checks.js';
import { Mediator } from '../mediator.js';
import { newLogFolder, projectRoot } from '../paths.js';
import { provisionIgt, showProgress } from '../provision/index.js';
import { newRunFolder } from '../run-folder.js';
import { runAll } from './all.js';
import { parseSubtest, readList, type Subtest, titleOf } from './lists.js';
import { IgtMachine } from './machine.js';
import { count, runSubtests } from './run.js';

export interface IgtRequest {
  readonly kernel: string;
  /** Of the model GPU. */
  readonly platform: string;
  /** Subtests by name; */
  readonly names: readonly string[];
  /** lists of them, `FILE` or `FILE#SECTION`; */
  readonly lists: readonly string[];
  /** All tests there are, or those of `names`, for the page of the manual; `resume` leaves out what is known. */
  readonly all: 'anew' | 'resume' | null;
  readonly memoryMiB: number;
  readonly limitSeconds: number;
}

export const IGT_DEFAULTS = { kernel: 'trixie', memoryMiB: 2048, limitSeconds: 300 } as const;

/** The project's own lists. Every subtest on them is known to pass. */
export function ownList(section?: string): Subtest[] {
  const file = join(projectRoot(), 'test/guest/igt/subtests.txt');
  return readList(section === undefined ? file : `${file}#${section}`);
}

interface Ran<T> {
  readonly result: T;
  readonly boots: number;
  readonly violations: number;
}

/** Starts a mediator, and has a guest on it do `work`. */
async function inGuest<T>(request: IgtRequest, work: (machine: IgtMachine) => Promise<T>): Promise<Ran<T>> {
  const rig = await provisionIgt(request.kernel);
  const runFolder = newRunFolder();
  const logFolder = newLogFolder();
  showProgress(`IGT: logs in ${logFolder}`);
  const mediator = await Mediator.start(runFolder, logFolder, ['--platform', request.platform]);
  const { memoryMiB, limitSeconds } = request;
  const machine = new IgtMachine({ client: mediator.client, rig, runFolder, logFolder, memoryMiB, limitSeconds });
  const result = await work(machine);
  await machine.stop();
  const { violations } = await mediator.client.isolation();
  await mediator.stop();
  return { result, boots: machine.boots, violations };
}

/** Every test there is; the page of the manual is made anew. What the device does not pass is no failure of the run. */
async function everything(request: IgtRequest, resume: boolean): Promise<number> {
  const { result, violations } = await inGuest(request, (machine) => runAll(machine, request.names, resume));
  const passed = Object.values(result)
    .flatMap(({ results }) => results)
    .filter(({ verdict }) => verdict === 'pass').length;
  process.stdout.write(`${passed} passed, ${violations === 0 ? 0 : 1} failed\n`);
  return violations === 0 && passed > 0 ? 0 : 1;
}

export async function igtMain(request: IgtRequest): Promise<number> {
  if (request.all !== null) return everything(request, request.all === 'resume');
  const asked = [...request.names.map(parseSubtest), ...request.lists.flatMap(readList)];
  const chosen = asked.length === 0 ? ownList() : asked;
  const { result: results, boots, violations } = await inGuest(request, (machine) => runSubtests(machine, chosen));
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
export async function checkBasics(checks: Checks, kernel: string, platform: string): Promise<void> {
  const request = { ...IGT_DEFAULTS, kernel, platform, names: [], lists: [], all: null };
  await checks.works('IGT runs in a guest', async () => {
    const { result, violations } = await inGuest(request, (machine) => runSubtests(machine, ownList('basic')));
    for (const { subtest, verdict, reason } of result) {
      checks.check(`IGT ${titleOf(subtest)}`, verdict === 'pass', `${verdict}: ${reason}`);
    }
    checks.check('IGT leads to no isolation violation', violations === 0, `${violations}`);
  });
}
