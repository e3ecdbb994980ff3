/** What the answers of xenstored carry. Each throws for a payload that is no such answer. */
import { XengtError } from '../../../base/index.js';
import { type Permission, parsePermissions } from './permissions.js';
import { splitTexts } from './wire.js';

function malformed(payload: Buffer, expected: string): XengtError {
  const shown = JSON.stringify(payload.toString('latin1', 0, 40));
  return new XengtError('XENGT_E_XEN', `an answer of ${payload.length} bytes, ${shown}, is not ${expected}`);
}

function only(payload: Buffer, expected: string): string {
  const all = splitTexts(payload);
  if (all?.length !== 1) throw malformed(payload, expected);
  return all[0]!;
}

export function done(payload: Buffer): void {
  if (only(payload, 'OK') !== 'OK') throw malformed(payload, 'OK');
}

/** A value has no end mark: all bytes are the value. */
export function value(payload: Buffer): string {
  return payload.toString('utf8');
}

export function oneText(payload: Buffer): string {
  return only(payload, 'a text');
}

export function names(payload: Buffer): string[] {
  const all = splitTexts(payload);
  if (all === null || all.includes('')) throw malformed(payload, 'a list of names');
  return all;
}

export function truth(payload: Buffer): boolean {
  const text = only(payload, 'T or F');
  if (text !== 'T' && text !== 'F') throw malformed(payload, 'T or F');
  return text === 'T';
}

export function transactionId(payload: Buffer): number {
  const text = only(payload, 'the number of a transaction');
  const id = Number(text);
  if (!/^\d{1,10}$/.test(text) || id === 0 || id > 0xffffffff) throw malformed(payload, 'the number of a transaction');
  return id;
}

export function permissions(payload: Buffer): Permission[] {
  const all = splitTexts(payload);
  if (all === null || all.length === 0) throw malformed(payload, 'a list of permissions');
  return parsePermissions(all);
}

export interface NamesPart {
  /** Differs between two parts when the node changed in between. */
  readonly generation: string;
  readonly names: readonly string[];
  /** Of the list, so that the next part can be asked for. */
  readonly bytes: number;
  readonly last: boolean;
}

/** The last part of a list ends with an empty name. */
export function namesPart(payload: Buffer): NamesPart {
  const all = splitTexts(payload);
  const [generation = '', ...list] = all ?? [];
  if (all === null || !/^\d+$/.test(generation) || list.length === 0)
    throw malformed(payload, 'a part of a list of names');
  const last = list.at(-1) === '';
  if (last) list.pop();
  if (list.includes('')) throw malformed(payload, 'a part of a list of names');
  return { generation, names: list, bytes: payload.length - generation.length - 1, last };
}
