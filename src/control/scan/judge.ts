/** Judges batches: one scanner per platform, made when the first batch of it comes. */
import {
  type BatchInput,
  CMD_ACCESS,
  CMD_PATCH,
  createScanResult,
  type ScanInput,
  Scanner,
  type ScanResult,
  WINDOW_DWORDS,
} from '../../cmd-parser/index.js';
import { type CommandTable, P_ALL, type Platform, R, REGISTER_ROWS } from '../../hw/index.js';
import { type Batch, type BatchTrust, defaultTrust, type Piece } from './batch.js';

export interface Verdict {
  readonly trust: BatchTrust;
  readonly accepted: boolean;
  /** Empty when accepted. */
  readonly code: string;
  readonly reason: string;
  readonly commands: number;
  readonly dwords: number;
  readonly segments: readonly Piece[];
  readonly unknown: number;
  readonly patches: number;
  /** The walk was ended because it goes in a circle. */
  readonly loop: boolean;
}

/** Where store-data-index forms would be led: no page of a recording is the mediator's. */
const HWSP_PAGE = 0;

export class Judge {
  readonly #scanners = new Map<Platform, Scanner>();
  readonly #result: ScanResult = createScanResult();
  readonly #trust: BatchTrust | undefined;

  /** @param trust for all batches; left out, what their platform runs them at */
  constructor(trust: BatchTrust | undefined) {
    this.#trust = trust;
  }

  judge(batch: Batch): Verdict {
    const scanner = this.#scannerOf(batch.platform);
    const result = this.#result;
    const trust = batch.ring === undefined ? (this.#trust ?? defaultTrust(batch.platform)) : 'ring';
    const accepted =
      batch.ring === undefined
        ? scanner.scanBatch(batchInput(batch, trust), result)
        : scanner.scan(ringInput(batch, batch.ring.words), result);
    return {
      trust,
      accepted,
      code: result.code,
      reason: result.message,
      commands: result.commands,
      dwords: result.dwords,
      segments:
        batch.ring?.segments ?? Array.from(result.segments, ({ start, end, kind }): Piece => [start, end, kind]),
      unknown: result.unknown,
      patches: result.patches,
      loop: result.loop,
    };
  }

  /** The commands that the batch's engine knows. */
  tableOf(batch: Batch): CommandTable {
    return this.#scannerOf(batch.platform).tableOf(batch.engine);
  }

  #scannerOf(platform: Platform): Scanner {
    let scanner = this.#scanners.get(platform);
    if (scanner === undefined) {
      scanner = new Scanner(platform, openToCommands(platform));
      this.#scanners.set(platform, scanner);
    }
    return scanner;
  }
}

function batchInput(batch: Batch, trust: BatchTrust): BatchInput {
  const { engine, address, memory, ranges } = batch;
  return { engine, trust, address, memory, ranges, hwspPage: HWSP_PAGE, survey: true };
}

function ringInput({ engine, memory, ranges }: Batch, words: Uint32Array): ScanInput {
  return { engine, trust: 'ring', words, start: 0, end: words.length, ranges, ggtt: memory, hwspPage: HWSP_PAGE };
}

/**
 * What the register rows say of commands. A mediator takes this from the table that it compiles for its vGPUs; here it is
 * read from the rows, because streams of platforms that host no vGPUs are judged as well.
 */
export function openToCommands(platform: Platform): Uint8Array {
  const access = new Uint8Array(WINDOW_DWORDS);
  for (const { offset, size = 4, flags = 0, platforms = P_ALL } of REGISTER_ROWS) {
    if ((platforms & platform.bit) === 0 || (flags & R.CMD) === 0) continue;
    access.fill((flags & R.CMD_PATCH) === 0 ? CMD_ACCESS : CMD_ACCESS | CMD_PATCH, offset / 4, (offset + size) / 4);
  }
  return access;
}
