/**
 * scan: judges recorded command streams as the mediator would, without a mediator. Reads corpus folders, bare dwords and
 * i915 error states; answers a verdict per batch, and decodes what was executed when asked to.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { EngineId, Platform } from '../../hw/index.js';
import { type Batch, type BatchTrust, engineName } from './batch.js';
import { Judge } from './judge.js';
import { printBatch } from './print.js';
import { jsonReport, type Report, type Summary, TextReport } from './report.js';
import { readStreams } from './sources.js';

export { type Batch, type BatchTrust, ENGINE_NAMES, type Expected, engineByName, engineName, TRUSTS } from './batch.js';
export { CORPUS_FORMAT, CorpusReader } from './corpus.js';
export { Judge, openToCommands, type Verdict } from './judge.js';
export { type Found, readStreams } from './sources.js';

export interface ScanOptions {
  /** Batches of other platforms and engines are left out; bare dwords are of these. */
  readonly platform?: Platform | undefined;
  readonly engine?: EngineId | undefined;
  readonly trust?: BatchTrust | undefined;
  readonly json: boolean;
  /** Decode what was executed. */
  readonly print: boolean;
  readonly bare: { readonly platform: Platform; readonly engine: EngineId; readonly address: number };
}

/** Where the report goes, and what ends it early. */
export interface ScanOutput {
  readonly out: (text: string) => void;
  readonly interruption: AbortSignal;
}

/** Text is handed on in pieces of about this size. */
const CHUNK = 1 << 16;
/** Exit code of a scan that was ended before all files were read. */
const INTERRUPTED = 1;

/** @returns 0 when every batch got a verdict, else the exit code of the first thing that went wrong */
export async function scanStreams(paths: readonly string[], options: ScanOptions, output: ScanOutput): Promise<number> {
  const report: Report = options.json ? jsonReport : new TextReport();
  const lines = new Chunks(output.out);
  const judge = new Judge(options.trust);
  const summary: Summary = { batches: 0, accepted: 0, rejected: 0, commands: 0, dwords: 0, unknown: 0, seconds: 0 };
  const began = performance.now();
  let exitCode = 0;
  let unreadable = 0;
  for (const found of readStreams(paths, options.bare)) {
    if (output.interruption.aborted) {
      lines.end();
      return exitCode === 0 ? INTERRUPTED : exitCode;
    }
    if ('error' in found) {
      lines.add(report.unreadable(found.file, found.error));
      unreadable++;
      if (exitCode === 0) exitCode = found.error.exitCode;
      continue;
    }
    for (const batch of found.batches) {
      if (!wanted(batch, options)) continue;
      const verdict = judge.judge(batch);
      summary.batches++;
      if (verdict.accepted) summary.accepted++;
      else summary.rejected++;
      summary.commands += verdict.commands;
      summary.dwords += verdict.dwords;
      summary.unknown += verdict.unknown;
      lines.add(report.batch(batch, verdict));
      if (options.print) for (const line of printBatch(batch, verdict, judge.tableOf(batch))) lines.add(line);
    }
    await nextTurn();
  }
  summary.seconds = Math.round(performance.now() - began) / 1000;
  lines.add(report.summary(summary, unreadable));
  lines.end();
  return exitCode;
}

function wanted(batch: Batch, { platform, engine }: ScanOptions): boolean {
  const isOfEngine = engine === undefined || engineName(batch.engine) === engineName(engine);
  return isOfEngine && (platform === undefined || batch.platform === platform);
}

class Chunks {
  readonly #out: (text: string) => void;
  #text = '';

  constructor(out: (text: string) => void) {
    this.#out = out;
  }

  add(text: string): void {
    this.#text += text;
    if (this.#text.length >= CHUNK) this.end();
  }

  end(): void {
    if (this.#text !== '') this.#out(this.#text);
    this.#text = '';
  }
}
