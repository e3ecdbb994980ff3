/** What the operator gets: a line per batch and a last line with totals, as JSON or aligned for people. */
import type { XengtError } from '../../base/index.js';
import { type Batch, engineName, type Piece } from './batch.js';
import type { Verdict } from './judge.js';

export interface Summary {
  batches: number;
  accepted: number;
  rejected: number;
  commands: number;
  dwords: number;
  unknown: number;
  seconds: number;
}

export interface Report {
  batch(batch: Batch, verdict: Verdict): string;
  unreadable(file: string, error: XengtError): string;
  summary(summary: Summary, unreadable: number): string;
}

const hex = (value: number): string => `0x${value.toString(16)}`;

export const jsonReport: Report = {
  batch: (batch, verdict) =>
    `${JSON.stringify({
      file: batch.file,
      exec: batch.exec,
      platform: batch.platform.name.toLowerCase(),
      engine: engineName(batch.engine),
      trust: verdict.trust,
      verdict: verdict.accepted ? 'accept' : 'reject',
      code: verdict.accepted ? null : verdict.code,
      reason: verdict.accepted ? null : verdict.reason,
      commands: verdict.commands,
      dwords: verdict.dwords,
      segments: verdict.segments.map(([start, end, kind]: Piece) => [hex(start), hex(end), kind]),
      unknown: verdict.unknown,
      patches: verdict.patches,
    })}\n`,
  unreadable: (file, error) => `${JSON.stringify({ file, error: { code: error.code, message: error.message } })}\n`,
  summary: (summary) => `${JSON.stringify({ summary })}\n`,
};

const HEAD = 'verdict  platform  engine         trust    commands   dwords  patches  batch\n';

/** The file comes last on the line, so that columns can be written before all files are known. */
export class TextReport implements Report {
  #headed = false;

  batch(batch: Batch, verdict: Verdict): string {
    const cells = [
      (verdict.accepted ? 'accept' : 'reject').padEnd(7),
      batch.platform.name.padEnd(8),
      engineName(batch.engine).padEnd(13),
      verdict.trust.padEnd(7),
      String(verdict.commands).padStart(8),
      String(verdict.dwords).padStart(7),
      String(verdict.patches).padStart(7),
      `${batch.file} #${batch.exec}`,
    ];
    const reason = verdict.accepted ? '' : `         ${verdict.reason}\n`;
    return `${this.#head()}${cells.join('  ')}\n${reason}`;
  }

  unreadable(file: string, error: XengtError): string {
    return `${this.#head()}failed   ${file}\n         ${error.message} (${error.code})\n`;
  }

  summary(s: Summary, unreadable: number): string {
    const verdicts = `${s.batches} batches: ${s.accepted} accepted, ${s.rejected} rejected`;
    const totals = `${s.commands} commands, ${s.dwords} dwords, ${s.unknown} unknown headers, ${s.seconds} s`;
    const failed = unreadable === 0 ? '' : `${unreadable} could not be read\n`;
    return `${verdicts}; ${totals}\n${failed}`;
  }

  #head(): string {
    if (this.#headed) return '';
    this.#headed = true;
    return HEAD;
  }
}
