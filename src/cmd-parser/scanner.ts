/**
 * The scanner: decides whether a guest's privileged command stream may run, and makes it safe to run by patching the
 * private copy that it was given. Ring contents and workaround buffers are scanned in place; privileged batches are
 * copied out of the guest first. Nothing that was not scanned is executed.
 */
import { PAGE_DWORDS } from '../base/index.js';
import {
  type CommandTable,
  compileCommands,
  ENGINES,
  type EngineId,
  entryDwords,
  entryHandler,
  entryId,
  entryIsLimited,
  type Platform,
} from '../hw/index.js';
import { HANDLERS } from './handlers.js';
import { compileRegisterPolicy } from './register-policy.js';
import type { ScanCode } from './rules.js';
import { BATCH_BUDGET_DWORDS, END_OF_BUFFER, LEVEL_RING, REFUSED, ScanState } from './scan-state.js';
import { resetScanResult, type ScanInput, type ScanResult, type ShadowBatch } from './types.js';

const PAGE_MASK = 0xfff;

export class Scanner {
  readonly platform: Platform;
  readonly #states: ScanState[] = [];
  readonly #policies: Uint8Array[] = [];

  /** @param cmdAccess CMD_ACCESS and CMD_PATCH bits of every register, by dword offset */
  constructor(platform: Platform, cmdAccess: Uint8Array) {
    this.platform = platform;
    for (const engine of ENGINES) {
      this.#states.push(new ScanState(compileCommands(platform, engine.id)));
      this.#policies.push(compileRegisterPolicy(platform, engine.id, cmdAccess));
    }
  }

  tableOf(engine: EngineId): CommandTable {
    return this.#states[engine]!.table;
  }

  /** @returns whether the stream may run; `out` says why not, or what must be executed instead of the guest's own buffers */
  scan(input: ScanInput, out: ScanResult): boolean {
    const s = this.#states[input.engine]!;
    resetScanResult(out);
    s.input = input;
    s.result = out;
    s.policy = this.#policies[input.engine]!;
    s.copied = 0;
    try {
      out.ok = this.#scanAll(s);
    } finally {
      s.release();
    }
    return out.ok;
  }

  #scanAll(s: ScanState): boolean {
    const { input, result } = s;
    s.words = input.words;
    s.level = LEVEL_RING;
    s.batch = -1;
    s.at = input.start;
    if (input.start < 0 || input.start > input.end || input.end > input.words.length) {
      s.refuse('truncated', `dwords ${input.start} to ${input.end} are not all there`);
      return false;
    }
    if (!scanBuffer(s, input.start, input.end, null)) return false;
    for (let i = 0; i < result.batches.length; i++) {
      const batch = result.batches[i]!;
      s.words = batch.words;
      s.level = batch.level;
      s.batch = i;
      if (!scanBuffer(s, 0, 0, batch)) return false;
    }
    return result.batches.length === 0 || endsWithoutLoop(s);
  }
}

/**
 * Walks one buffer. A shadow batch grows page by page as the walk reaches into it.
 * @returns false when a command was refused
 */
function scanBuffer(s: ScanState, start: number, end: number, batch: ShadowBatch | null): boolean {
  const { result, table } = s;
  const { entries, minDwords, maxDwords } = table;
  let words = s.words;
  let at = start;
  let commands = 0;
  let ended = false;
  while (!ended) {
    if (at >= end) {
      if (batch === null) break;
      end = extend(s, batch, end, at + 1);
      if (end < 0) return false;
      words = s.words;
    }
    const header = words[at]!;
    const entry = entries[header >>> 16]!;
    const length = entryDwords(entry, header);
    s.at = at;
    commands++;
    if (entry === 0) {
      s.refuse(
        'unknown-command',
        `no ${ENGINES[table.engine]!.name} command of ${table.platform.name} has this header`,
      );
      return false;
    }
    if (at + length > end) {
      if (batch === null) {
        s.refuse('truncated', `its ${length} dwords end ${at + length - end} beyond the buffer`);
        return false;
      }
      end = extend(s, batch, end, at + length);
      if (end < 0) return false;
      words = s.words;
    }
    if (entryIsLimited(entry)) {
      const id = entryId(entry);
      if (length < minDwords[id]! || length > maxDwords[id]!) {
        s.refuse('length', `${length} dwords`);
        return false;
      }
    }
    const handler = entryHandler(entry);
    if (handler !== 0) {
      const next = HANDLERS[handler]!(s, at, length);
      if (next === REFUSED) return false;
      ended = next === END_OF_BUFFER;
    }
    at += length;
  }
  result.commands += commands;
  result.dwords += at - start;
  if (batch !== null) {
    // what was copied behind the end was not scanned and must not be there to be executed
    words.fill(0, at);
    batch.dwords = at;
  }
  return true;
}

/** Copies more of a batch out of the guest, page by page. @returns its new end, or -1 when that was refused */
function extend(s: ScanState, batch: ShadowBatch, end: number, need: number): number {
  const { ggtt } = s.input;
  while (end < need) {
    const gmadr = batch.sourceGmadr + end * 4;
    const dwords = PAGE_DWORDS - ((gmadr & PAGE_MASK) >>> 2);
    if (s.copied + dwords > BATCH_BUDGET_DWORDS) {
      return refuseCopy(s, batch, end, 'batch-budget', `more than ${BATCH_BUDGET_DWORDS} dwords of privileged batches`);
    }
    const from = gmadr < 0x100000000 && s.owns(gmadr, 0, dwords * 4) ? ggtt.locate(Math.floor(gmadr / 0x1000)) : -1;
    if (from < 0) {
      return refuseCopy(
        s,
        batch,
        end,
        'batch-unmapped',
        `GMADR 0x${gmadr.toString(16)} is not mapped memory of the own ranges`,
      );
    }
    if (end + dwords > batch.words.length) {
      const grown = new Uint32Array(Math.max(PAGE_DWORDS, batch.words.length * 2, end + dwords));
      grown.set(batch.words.subarray(0, end));
      batch.words = grown;
      s.words = grown;
    }
    const first = from + ((gmadr & PAGE_MASK) >>> 2);
    batch.words.set(ggtt.words.subarray(first, first + dwords), end);
    s.copied += dwords;
    end += dwords;
  }
  return end;
}

/** The command at fault is the last one that was read, or, where there is none, the one that started the batch. */
function refuseCopy(s: ScanState, batch: ShadowBatch, end: number, code: ScanCode, detail: string): -1 {
  const origin = batch.patchAt[0];
  if (end === 0 && origin !== undefined) {
    s.batch = origin.batch;
    s.words = origin.batch < 0 ? s.input.words : s.result.batches[origin.batch]!.words;
    s.at = origin.dword - 1;
  }
  s.refuse(code, detail, batch.sourceGmadr + end * 4);
  return -1;
}

/** Whether every privileged batch ends: no jump leads back to a batch that is still being executed. */
function endsWithoutLoop(s: ScanState): boolean {
  const { batches } = s.result;
  const waiting = new Int32Array(batches.length);
  for (let i = 0; i < batches.length; i++) for (const from of batches[i]!.patchAt) if (from.batch >= 0) waiting[i]!++;
  const ready: number[] = [];
  waiting.forEach((count, i) => {
    if (count === 0) ready.push(i);
  });
  let done = 0;
  for (let i = ready.pop(); i !== undefined; i = ready.pop()) {
    done++;
    batches.forEach((target, t) => {
      for (const from of target.patchAt) if (from.batch === i && --waiting[t]! === 0) ready.push(t);
    });
  }
  if (done === batches.length) return true;
  const looping = waiting.findIndex((count) => count > 0);
  const origin = batches[looping]!.patchAt.find((from) => from.batch >= 0 && waiting[from.batch]! > 0);
  s.batch = origin?.batch ?? looping;
  s.words = batches[s.batch]!.words;
  s.at = (origin?.dword ?? 1) - 1;
  const gmadr = batches[looping]!.sourceGmadr;
  s.refuse('batch-loop', `it jumps back to GMADR 0x${gmadr.toString(16)}`, gmadr);
  return false;
}
