/**
 * The code blocks of the operator's guide, and how each is walked. A block is lines of a shell unless a comment above it says
 * otherwise; such comments are not seen where the guide is read:
 *
 *   <!-- walk: file PATH -->             the block is what stands in that file
 *   <!-- walk: shows -->                 what the last line of the shell before it answers
 *   <!-- walk: not "TEXT": REASON -->    lines with this text can not be walked here; without a text the whole block
 *   <!-- walk: stays "TEXT" -->          lines with this text do not end by themselves; they end with the section, or by
 *   <!-- walk: ends "TEXT" -->           before this block, as by Ctrl-C
 *   <!-- walk: exit N "TEXT" -->         lines with this text end with this code; all others with 0
 *   <!-- walk: first COMMAND -->         makes what the reader has of their own: a journal, a file
 */
import { XengtError } from '../../../src/base/index.js';

export interface Line {
  readonly text: string;
  /** Why it is not walked; null if it is. */
  readonly not: string | null;
  readonly stays: boolean;
  readonly exit: number;
}

export interface Block {
  readonly section: string;
  /** Of the guide, where it begins. */
  readonly at: number;
  readonly kind: 'shell' | 'file' | 'shows';
  /** Why the whole block is not walked; null if it is. */
  readonly not: string | null;
  /** Of a file. */
  readonly path: string;
  /** As it stands there, without its indentation. */
  readonly text: string;
  /** Commands of a shell. */
  readonly lines: readonly Line[];
  readonly first: readonly string[];
  readonly ends: readonly string[];
}

interface Marks {
  kind: Block['kind'];
  path: string;
  readonly first: string[];
  readonly ends: string[];
  readonly stays: string[];
  readonly not: { readonly text: string; readonly reason: string }[];
  readonly exits: { readonly text: string; readonly code: number }[];
}

const noMarks = (): Marks => ({ kind: 'shell', path: '', first: [], ends: [], stays: [], not: [], exits: [] });

const RULES: readonly (readonly [RegExp, (marks: Marks, ...found: string[]) => void])[] = [
  [
    /^file (\S+)$/,
    (marks, path) => {
      marks.kind = 'file';
      marks.path = path;
    },
  ],
  [
    /^shows$/,
    (marks) => {
      marks.kind = 'shows';
    },
  ],
  [/^not(?: "([^"]+)")?: (.+)$/, (marks, text = '', reason) => marks.not.push({ text, reason })],
  [/^stays "([^"]+)"$/, (marks, text) => marks.stays.push(text)],
  [/^ends "([^"]+)"$/, (marks, text) => marks.ends.push(text)],
  [/^exit (\d+) "([^"]+)"$/, (marks, code, text) => marks.exits.push({ text, code: Number(code) })],
  [/^first (.+)$/, (marks, command) => marks.first.push(command)],
];

function mark(marks: Marks, said: string, at: number): void {
  for (const [pattern, apply] of RULES) {
    const found = pattern.exec(said);
    if (found === null) continue;
    apply(marks, ...found.slice(1));
    return;
  }
  throw new XengtError('XENGT_E_CONFIG', `Line ${at} of the guide: "walk: ${said}" is not understood`);
}

/** Commands: lines that end with a backslash go on; those that are a comment alone are none. */
function commandsOf(text: string, { not, stays, exits }: Marks): Line[] {
  return text
    .replaceAll('\\\n', ' ')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => ({
      text: line,
      not: not.find((one) => line.includes(one.text))?.reason ?? null,
      stays: stays.some((one) => line.includes(one)),
      exit: exits.find((one) => line.includes(one.text))?.code ?? 0,
    }));
}

/** Each mark must be of use: one that is left over from an older text hides what is not walked. */
function checkMarks(marks: Marks, text: string, at: number): void {
  const texts = [...marks.not, ...marks.exits, ...marks.stays.map((one) => ({ text: one }))];
  const idle = texts.find((one) => !text.includes(one.text));
  if (idle !== undefined) {
    throw new XengtError('XENGT_E_CONFIG', `Line ${at} of the guide: no line of the block has "${idle.text}"`);
  }
}

export function blocksOf(guide: string): Block[] {
  const blocks: Block[] = [];
  const lines = guide.split('\n');
  let section = '';
  let marks = noMarks();
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] ?? '';
    const comment = /^\s*<!-- walk: (.+) -->$/.exec(line)?.[1];
    if (comment !== undefined) {
      mark(marks, comment, at + 1);
      continue;
    }
    if (line.startsWith('## ')) section = line.slice(3);
    const indentation = /^( {4,})\S/.exec(line)?.[1]?.length;
    if (indentation === undefined) continue;
    const begin = at;
    const inside = (next: string) => next.trim() === '' || next.startsWith(' '.repeat(indentation));
    while (at + 1 < lines.length && inside(lines[at + 1] ?? '')) at++;
    const text = lines
      .slice(begin, at + 1)
      .map((one) => one.slice(indentation))
      .join('\n')
      .trimEnd();
    checkMarks(marks, text, begin + 1);
    const { kind, path, first, ends } = marks;
    const not = marks.not.find((one) => one.text === '')?.reason ?? null;
    const commands = kind === 'shell' && not === null ? commandsOf(text, marks) : [];
    blocks.push({ section, at: begin + 1, kind, path, text, lines: commands, not, first, ends });
    marks = noMarks();
  }
  return blocks;
}

/** What may differ between what the guide shows and what is answered: numbers, UUIDs, and how wide a column is. */
function plain(text: string): string[] {
  return text
    .split('\n')
    .map((line) =>
      line
        .replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'UUID')
        .replaceAll(/\d+(\.\d+)?/g, '0')
        .replaceAll(/\s+/g, ' ')
        .trim(),
    )
    .filter((line) => line !== '');
}

/** True if an answer is as shown; an ellipsis stands for anything, alone on a line for any lines. */
export function isShown(shown: string, answer: string): boolean {
  const pattern = plain(shown)
    .map((line) =>
      line === '…'
        ? '(?:.*\n)*?'
        : `${line
            .split('…')
            .map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'))
            .join('.*')}\n`,
    )
    .join('');
  return new RegExp(`^${pattern}$`).test(
    plain(answer)
      .map((line) => `${line}\n`)
      .join(''),
  );
}
