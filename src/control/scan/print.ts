/** What was executed of a batch, decoded: each piece in the order of execution. */
import { read32 } from '../../base/index.js';
import { decodePiece, type ReadDword } from '../../cmd-parser/index.js';
import { type CommandTable, commandRow } from '../../hw/index.js';
import type { Batch, Piece } from './batch.js';
import type { Verdict } from './judge.js';

const address = (value: number): string => `0x${value.toString(16).padStart(12, '0')}`;

/** Texts of whole lines, made one command at a time: a batch may be long. */
export function* printBatch(batch: Batch, verdict: Verdict, table: CommandTable): Generator<string> {
  const read = reader(batch);
  for (const [start, end, kind] of verdict.segments) {
    yield `  ${kind} ${address(start)} to ${address(end)}\n`;
    for (const text of decodePiece(table, read, start, end)) yield indented(text);
  }
  const open = verdict.accepted ? -1 : openPiece(batch, verdict, table, read);
  if (open < 0) return;
  yield `  from ${address(open)}, not walked to an end\n`;
  for (const text of decodePiece(table, read, open, Infinity)) yield indented(text);
}

const indented = (text: string): string => text.replace(/^/gm, '    ').replace(/ +$/, '');

function reader(batch: Batch): ReadDword {
  const { ring, memory } = batch;
  if (ring === undefined) return (at) => read32(memory, at, -1);
  const starts: (readonly [from: number, end: number, dword: number])[] = [];
  let dword = 0;
  for (const [start, end] of ring.segments) {
    starts.push([start, end, dword]);
    dword += (end - start) / 4;
  }
  return (at) => {
    const piece = starts.find(([from, end]) => at >= from && at < end);
    return piece === undefined ? -1 : (ring.words[piece[2] + (at - piece[0]) / 4] ?? -1);
  };
}

/** Where the piece begins in which a walk was stopped, or -1: the verdict lists only pieces that were walked to an end. */
function openPiece(batch: Batch, { segments, loop }: Verdict, table: CommandTable, read: ReadDword): number {
  if (batch.ring !== undefined || loop) return -1;
  const last = segments.at(-1);
  if (last === undefined) return batch.address;
  const target = jumpTarget(last, table, read);
  if (target >= 0) return segments.some(([start, end]) => target >= start && target < end) ? -1 : target;
  // the end of a second-level batch goes on behind the jump that called it
  const called = segments.findLastIndex(([, , kind]) => kind === 'second_level');
  const isSecond = last[2].startsWith('second_level');
  return isSecond && called > 0 ? segments[called - 1]![1] : -1;
}

/** Where the last command of a piece jumps to, or -1 when it is no jump. */
function jumpTarget([start, end]: Piece, table: CommandTable, read: ReadDword): number {
  for (const dwords of [2, 3]) {
    const at = end - dwords * 4;
    const header = at < start ? -1 : read(at);
    const row = header < 0 ? undefined : commandRow(table, header);
    const operand = row?.handler === 'batchBufferStart' ? row.addresses?.[0] : undefined;
    if (operand === undefined || (header & 0xff) + 2 !== dwords) continue;
    const high = operand.bits === 48 ? read(at + operand.dword * 4 + 4) % 0x10000 : 0;
    return high * 2 ** 32 + Math.floor(read(at + operand.dword * 4) / 4) * 4;
  }
  return -1;
}
