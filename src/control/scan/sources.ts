/** From what the operator named to batches: which files there are, and which reader each one needs. */
import { readdirSync, realpathSync, statSync } from 'node:fs';
import { extname, join } from 'node:path';
import { reasonOf, XengtError } from '../../base/index.js';
import type { Batch } from './batch.js';
import { CorpusReader } from './corpus.js';
import { type BareStream, bareBatch, binaryDwords, hexDwords } from './dwords.js';
import { looksLikeErrorState, readErrorState } from './error-state.js';
import { malformed, readWhole } from './unreadable.js';

/** What a folder is searched for; files of other names must be named themselves. */
const STREAM_NAMES = /(\.(json|bin|hex|error)|^(i915_)?error(_state)?)$/i;

export type Found =
  | { readonly file: string; readonly batches: Batch[] }
  | { readonly file: string; readonly error: XengtError };

/** Reads one file after the other; what can not be read does not stop the others. */
export function* readStreams(paths: readonly string[], bare: BareStream): Generator<Found> {
  const corpus = new CorpusReader();
  for (const path of paths) {
    for (const { file, error, searched } of filesOf(path)) {
      // pages belong to the files beside them; those come first
      if (searched === true && corpus.isPagesFile(file)) continue;
      if (error !== undefined) yield { file, error };
      else yield readFile(file, corpus, bare);
    }
  }
}

function readFile(file: string, corpus: CorpusReader, bare: BareStream): Found {
  try {
    return { file, batches: batchesOf(file, corpus, bare) };
  } catch (error) {
    if (error instanceof XengtError) return { file, error };
    throw error;
  }
}

function batchesOf(file: string, corpus: CorpusReader, bare: BareStream): Batch[] {
  const extension = extname(file).toLowerCase();
  if (extension === '.json') return corpus.read(file);
  const bytes = readWhole(file);
  if (extension === '.bin') return [bareBatch(file, binaryDwords(file, bytes), bare)];
  if (looksLikeErrorState(bytes)) return readErrorState(file, bytes);
  if (isJson(bytes)) return corpus.read(file);
  if (bytes.includes(0)) return [bareBatch(file, binaryDwords(file, bytes), bare)];
  return [bareBatch(file, hexDwords(file, bytes.toString('latin1')), bare)];
}

const isJson = (bytes: Buffer): boolean => /^\s*\{/.test(bytes.toString('latin1', 0, 256));

interface Named {
  readonly file: string;
  /** Found in a folder, not named. */
  readonly searched?: true;
  readonly error?: XengtError;
}

function filesOf(path: string): Named[] {
  try {
    if (!statSync(path).isDirectory()) return [{ file: path }];
    const files: Named[] = [];
    search(path, files, new Set());
    if (files.length > 0) return files;
    return [{ file: path, error: malformed(path, '', 'the folder holds no command streams') }];
  } catch (error) {
    return [{ file: path, error: unreadable(path, error) }];
  }
}

/** @param seen folders that were entered, by their real path: a link may lead back */
function search(folder: string, files: Named[], seen: Set<string>): void {
  const real = realpathSync(folder);
  if (seen.has(real)) return;
  seen.add(real);
  for (const name of readdirSync(folder).sort(jsonFirst)) {
    const path = join(folder, name);
    try {
      if (statSync(path).isDirectory()) search(path, files, seen);
      else if (STREAM_NAMES.test(name)) files.push({ file: path, searched: true });
    } catch (error) {
      files.push({ file: path, error: unreadable(path, error) });
    }
  }
}

const isJsonName = (name: string): boolean => name.toLowerCase().endsWith('.json');

function jsonFirst(a: string, b: string): number {
  const [first, second] = [isJsonName(a), isJsonName(b)];
  if (first !== second) return first ? -1 : 1;
  return a < b ? -1 : 1;
}

function unreadable(path: string, error: unknown): XengtError {
  return new XengtError('XENGT_E_IO', `${path} can not be read: ${reasonOf(error)}`, { cause: error });
}
