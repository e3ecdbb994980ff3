import { describe, expect, it } from 'vitest';
import { walk } from '../../src/cmd-parser/index.js';
import { CMD, type CommandTable, compileCommands, type LengthRule } from '../../src/hw/index.js';
import { Corpus, type Stream } from './corpus.js';

const corpus = new Corpus();
const tables = new Map<string, CommandTable>();

function tableOf(stream: Stream): CommandTable {
  const key = `${stream.platform.name}/${stream.engine}`;
  let table = tables.get(key);
  if (table === undefined) {
    table = compileCommands(stream.platform, stream.engine);
    tables.set(key, table);
  }
  return table;
}

/** Walks from `start`, knowing no end, until a batch ends or leaves for another. */
function walkPiece(stream: Stream, start: number): { end: number; commands: number; unknown: boolean } {
  const words = corpus.wordsFrom(stream, start);
  const walker = walk(tableOf(stream), words, 0, words.length);
  let commands = 0;
  while (walker.next()) {
    commands++;
    const opcode = (walker.header & 0xff800000) >>> 0;
    if (walker.id === 0 || opcode === CMD.MI_BATCH_BUFFER_END || opcode === CMD.MI_BATCH_BUFFER_START) {
      return { end: start + (walker.at + walker.length) * 4, commands, unknown: walker.id === 0 };
    }
  }
  return { end: -1, commands, unknown: false };
}

describe('command streams of unmodified drivers', () => {
  it('are carried for five platforms and three engines', () => {
    const known = corpus.streams.filter((stream) => stream.walk === 'static');
    const count = (name: string) => known.filter((stream) => stream.platform.name === name).length;
    expect(['HSW', 'BDW', 'SKL', 'KBL', 'CFL'].map(count)).toEqual([165, 165, 184, 185, 141]);
    expect(new Set(known.map((stream) => stream.engine)).size).toBe(3);
    expect(known.length).toBe(840);
  });

  it('walk by header lengths alone exactly to the end of every piece, with the same totals', () => {
    const wrong: string[] = [];
    for (const stream of corpus.streams) {
      if (stream.walk !== 'static') continue;
      let commands = 0;
      let dwords = 0;
      for (const [start, end] of stream.segments) {
        const piece = walkPiece(stream, start);
        if (piece.unknown || piece.end !== end)
          wrong.push(`${stream.name}: ${start.toString(16)} to ${piece.end.toString(16)}`);
        commands += piece.commands;
        dwords += (piece.end - start) / 4;
      }
      if (commands !== stream.commands || dwords !== stream.dwords) {
        wrong.push(`${stream.name}: ${commands}/${dwords} instead of ${stream.commands}/${stream.dwords}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it('have no command without a name where they are legal', () => {
    const unknown = new Set<string>();
    for (const stream of corpus.streams) {
      if (stream.walk === 'FAIL') continue;
      for (const [start, end] of stream.segments) {
        const words = corpus.wordsFrom(stream, start);
        const walker = walk(tableOf(stream), words, 0, (end - start) / 4);
        while (walker.next())
          if (walker.row === undefined) unknown.add(`${stream.name} 0x${walker.header.toString(16)}`);
      }
    }
    expect([...unknown]).toEqual([]);
  });

  it('have no command of a length that its row does not allow', () => {
    const allows = ({ totals }: LengthRule, length: number) => totals === undefined || totals.includes(length);
    const odd = new Set<string>();
    for (const stream of corpus.streams) {
      if (stream.walk === 'FAIL') continue;
      for (const [start, end] of stream.segments) {
        const walker = walk(tableOf(stream), corpus.wordsFrom(stream, start), 0, (end - start) / 4);
        while (walker.next()) {
          const { row } = walker;
          if (row !== undefined && !allows(row.length, walker.length))
            odd.add(`${stream.name} ${row.name} of ${walker.length}`);
        }
      }
    }
    expect([...odd]).toEqual([]);
  });

  it('that are hostile on purpose never reach an end by their headers alone', () => {
    const hostile = corpus.streams.filter((stream) => stream.walk === 'FAIL');
    const pieces = hostile.map((stream) => walkPiece(stream, stream.start));
    expect(hostile.length).toBeGreaterThan(0);
    expect(pieces.some((piece) => piece.unknown)).toBe(true);
    expect(pieces.some((piece) => piece.end < 0)).toBe(true);
  });
});
