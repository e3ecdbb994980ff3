/** One thread of a campaign: cases in batches, each followed by a message with what they added up to. */
import { parentPort, workerData } from 'node:worker_threads';
import { Campaign, type Finding, newTally, type Tally } from './campaign.js';

export interface WorkerTask {
  readonly seed: number;
  /** This thread takes the cases first, first + stride, … below `end`. */
  readonly first: number;
  readonly stride: number;
  readonly end: number;
}

export interface WorkerReport {
  readonly tally: Tally;
  readonly finding: Finding | null;
  readonly done: boolean;
}

const CASES_PER_REPORT = 4096;

const { seed, first, stride, end } = workerData as WorkerTask;
const campaign = new Campaign(seed);
for (let next = first, done = false; !done; ) {
  const count = Math.min(CASES_PER_REPORT, Math.max(0, Math.ceil((end - next) / stride)));
  campaign.tally = newTally();
  const finding = campaign.run(next, stride, count);
  next += count * stride;
  done = finding !== null || next >= end;
  const report: WorkerReport = { tally: campaign.tally, finding, done };
  parentPort?.postMessage(report);
}
