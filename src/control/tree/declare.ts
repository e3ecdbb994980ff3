/**
 * How attributes are declared: once, in groups that stand at one place of the tree each. The tree and its reference page are
 * both made from the declaration.
 */
import type { MediatorApi } from '../../mediator/api.js';
import type { Act } from './acts.js';
import { TreeRefusal } from './errno.js';
import type { Attribute, Content, FolderBuilder } from './node.js';
import type { State } from './state.js';

/** Permission bits of sysfs: for all to see, for the owner to change, for the owner's group as XenGT has it. */
export const RO = 0o444;
export const RW = 0o644;
export const WO = 0o200;
export const GROUP_RO = 0o440;
export const GROUP_RW = 0o660;
export const GROUP_WO = 0o220;

/** An attribute of a subject: of a vGPU, a type, a port, or of the device. */
export interface Row<S> {
  /** Path below the place of its group. */
  readonly name: string;
  readonly mode: number;
  /** What is read or written, in words. */
  readonly type: string;
  readonly doc: string;
  /** Default: text. */
  readonly bytes?: boolean;
  /** Given for what is known from the state; what stands in text gets its final line feed. */
  readonly read?: (subject: S, state: State) => Content;
  /** Given instead for what must be asked for. */
  readonly live?: (subject: S, mediator: MediatorApi) => Promise<string>;
  /** @param text what was written, without the line feed of `echo` */
  readonly write?: (subject: S, text: string, state: State) => readonly Act[];
  /** Given instead where bytes are written, at any offset. */
  readonly writeBytes?: (subject: S, bytes: Uint8Array, offset: number, state: State) => readonly Act[];
}

export interface LinkRow<S> {
  /** `<x>` in it stands for the member's `x`. */
  readonly name: string;
  readonly doc: string;
  readonly target: (subject: S, state: State) => string;
}

export interface Group<S> {
  /** Place in the tree; `<x>` stands for the member's `x`. */
  readonly at: string;
  readonly doc: string;
  readonly members: (state: State) => Iterable<Member<S>>;
  readonly rows?: readonly Row<S>[];
  readonly links?: readonly LinkRow<S>[];
}

/** What the names in a group's place stand for, and what its attributes are about. */
export type Member<S> = readonly [names: Readonly<Record<string, string>>, subject: S];

/** A group with its subject's type taken away. */
export interface Declared {
  readonly at: string;
  readonly doc: string;
  readonly rows: readonly Pick<Row<never>, 'name' | 'mode' | 'type' | 'doc'>[];
  readonly links: readonly Pick<LinkRow<never>, 'name' | 'doc'>[];
  expand(state: State, into: FolderBuilder): void;
}

/** For groups of which there is one. */
export const ONE: readonly Member<null>[] = [[{}, null]];

export function declare<S>(group: Group<S>): Declared {
  const { at, doc, rows = [], links = [] } = group;
  return {
    at,
    doc,
    rows,
    links,
    expand(state, into) {
      for (const [names, subject] of group.members(state)) {
        const place = placeOf(at, names);
        const current = finder(group, place);
        const folder = into.folder(place);
        for (const row of rows) folder.put(row.name.split('/'), attributeOf(row, place, subject, state, current));
        for (const { name, target } of links) {
          folder.put(placeOf(name, names), { kind: 'link', target: target(subject, state) });
        }
      }
    },
  };
}

function placeOf(at: string, names: Readonly<Record<string, string>>): string[] {
  const filled = at.replace(/<(\w+)>/g, (_all, name: string) => names[name] ?? '');
  return filled.split('/').filter((part) => part !== '');
}

/** Looks the subject up again when something is to be done: a node may be older than the state. */
function finder<S>(group: Group<S>, place: readonly string[]): (state: State) => S {
  const path = place.join('/');
  return (state) => {
    for (const [names, subject] of group.members(state)) {
      if (placeOf(group.at, names).join('/') === path) return subject;
    }
    throw new TreeRefusal('ENODEV', `/${path} is gone`);
  };
}

function attributeOf<S>(
  row: Row<S>,
  place: readonly string[],
  subject: S,
  state: State,
  current: (state: State) => S,
): Attribute {
  const { read, live } = row;
  return {
    kind: 'attribute',
    mode: row.mode,
    bytes: row.bytes ?? false,
    key: `${place.join('/')}/${row.name}`,
    content: read === undefined ? null : lined(read(subject, state)),
    live: live === undefined ? null : async (now, mediator) => lined(await live(current(now), mediator)),
    plan: planOf(row, current),
  };
}

function planOf<S>({ write, writeBytes }: Row<S>, current: (state: State) => S): Attribute['plan'] {
  if (writeBytes !== undefined) return (now, input, offset) => writeBytes(current(now), input, offset, now);
  return write === undefined ? null : (now, input) => write(current(now), textOf(input), now);
}

function lined(content: Content): Content {
  return typeof content === 'string' && content !== '' && !content.endsWith('\n') ? `${content}\n` : content;
}

/** @throws TreeRefusal EINVAL for what is no text */
function textOf(input: Uint8Array): string {
  const text = new TextDecoder('utf-8', { fatal: false }).decode(input).replace(/\n$/, '');
  if (/[\p{Cc}\uFFFD]/u.test(text)) throw new TreeRefusal('EINVAL', 'What was written is no line of text');
  return text;
}

/** A whole decimal number of `least` to `most`. @throws TreeRefusal EINVAL */
export function wholeOf(text: string, what: string, least: number, most: number): number {
  const number = /^[+-]?\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= least && number <= most) return number;
  throw new TreeRefusal(
    'EINVAL',
    `${what}: "${text}" is not allowed; allowed: a whole number from ${least} to ${most}`,
  );
}

/** `text` as one of `allowed`. @throws TreeRefusal EINVAL */
export function oneOf<const T extends string>(text: string, what: string, allowed: readonly T[]): T {
  const found = allowed.find((one) => one === text);
  if (found !== undefined) return found;
  throw new TreeRefusal('EINVAL', `${what}: "${text}" is not allowed; allowed: ${allowed.join(', ')}`);
}
