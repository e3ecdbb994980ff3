/** A campaign over several threads: who does which cases, one line of progress a second, and its end. */
import { Worker } from 'node:worker_threads';
import { addTally, type Finding, newTally, type Tally } from './campaign.js';
import type { WorkerReport, WorkerTask } from './worker.js';

export interface CampaignOptions {
  readonly seed: number;
  readonly seconds: number;
  /** Number of the last case, exclusive. */
  readonly cases: number;
  readonly workers: number;
  readonly progress: (tally: Tally, seconds: number) => void;
}

export interface CampaignEnd {
  readonly tally: Tally;
  readonly seconds: number;
  readonly finding: Finding | null;
}

const PROGRESS_MS = 1000;

export async function runThreads(options: CampaignOptions): Promise<CampaignEnd> {
  const { seed, cases, workers } = options;
  const tally = newTally();
  const began = performance.now();
  const seconds = (): number => (performance.now() - began) / 1000;
  let finding: Finding | null = null;
  const threads: Worker[] = [];
  const stop = (): void => {
    for (const thread of threads) void thread.terminate();
  };
  const progress = setInterval(() => options.progress(tally, seconds()), PROGRESS_MS);
  const timeout = setTimeout(stop, options.seconds * 1000);
  try {
    await Promise.all(
      Array.from({ length: workers }, (_, first) => {
        const workerData: WorkerTask = { seed, first, stride: workers, end: cases };
        const thread = new Worker(new URL('./worker.js', import.meta.url), { workerData });
        threads.push(thread);
        return new Promise<void>((resolve, reject) => {
          thread.on('message', (report: WorkerReport) => {
            addTally(tally, report.tally);
            if (report.finding === null) return;
            finding ??= report.finding;
            stop();
          });
          thread.on('error', reject);
          thread.on('exit', () => resolve());
        });
      }),
    );
  } finally {
    clearInterval(progress);
    clearTimeout(timeout);
    stop();
  }
  return { tally, seconds: seconds(), finding };
}
