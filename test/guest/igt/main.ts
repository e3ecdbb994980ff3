/** `npm run test:guest -- --igt`: IGT in a guest, and nothing else. */
import { join } from 'node:path';
import { Mediator } from '../mediator.js';
import { newLogFolder, projectRoot } from '../paths.js';
import { provisionIgt, showProgress } from '../provision/index.js';
import { newRunFolder } from '../run-folder.js';
import { parseSubtest, readList, type Subtest } from './lists.js';
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

/** The project's own lists. Every subtest on them is known to pass. */
export function ownList(section?: string): Subtest[] {
  const file = join(projectRoot(), 'test/guest/igt/subtests.txt');
  return readList(section === undefined ? file : `${file}#${section}`);
}

export async function igtMain(request: IgtRequest): Promise<number> {
  const asked = [...request.names.map(parseSubtest), ...request.lists.flatMap(readList)];
  const subtests = asked.length === 0 ? ownList() : asked;
  const rig = await provisionIgt(request.kernel);
  const runFolder = newRunFolder();
  const logFolder = newLogFolder();
  showProgress(`${subtests.length} subtests; logs: ${logFolder}`);
  const mediator = await Mediator.start(runFolder, logFolder);
  const { memoryMiB, limitSeconds } = request;
  const machine = new IgtMachine({ client: mediator.client, rig, runFolder, logFolder, memoryMiB, limitSeconds });
  const results = await runSubtests(machine, subtests);
  await machine.stop();
  await mediator.stop();
  const [pass, fail, skip, timeout] = (['pass', 'fail', 'skip', 'timeout'] as const).map((one) => count(results, one));
  process.stdout.write(
    `IGT: ${pass} pass, ${fail} fail, ${skip} skip, ${timeout} timeout; guests booted: ${machine.boots}\n`,
  );
  const passed = pass ?? 0;
  // What the project lists must pass; what somebody else asks for may find that this device does not have it.
  const failed = asked.length === 0 ? results.length - passed : (fail ?? 0) + (timeout ?? 0);
  process.stdout.write(`${passed} passed, ${failed} failed\n`);
  return failed === 0 && passed > 0 ? 0 : 1;
}
