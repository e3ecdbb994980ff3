/**
 * Definitions on disk: a file each, named after its vGPU. A file is written beside its place, flushed, and put there by one
 * step, so that whoever reads finds the old one or the new one whole; what a full disk or a crash leaves half done is never
 * in a definition's place. Writers of several processes come one after the other.
 */
import {
  closeSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { reasonOf, XengtError } from '../../base/index.js';
import { processMark, runningProcess } from '../xen/index.js';

const SUFFIX = '.json';
const LOCK = '.lock';
const HALF_DONE = '.new-';
/** As long as another process may write; each of its steps takes milliseconds. */
const PATIENCE_MS = 2_000;
const LOOK_AGAIN_MS = 20;

export class DefinitionStore {
  /** @param folder must be there */
  constructor(private readonly folder: string) {}

  pathOf(name: string): string {
    return join(this.folder, name + SUFFIX);
  }

  /** Differs from before when any process has put, changed or taken a file. @throws XengtError XENGT_E_IO */
  get stamp(): string {
    return this.#names()
      .map((name) => {
        const { ino, size, mtimeMs } = this.#io('read', () => statSync(join(this.folder, name)));
        return `${name} ${ino} ${size} ${mtimeMs}`;
      })
      .join('\n');
  }

  #names(): string[] {
    const all = this.#io('read', () => readdirSync(this.folder));
    return all.filter((name) => name.endsWith(SUFFIX) && !name.startsWith('.')).sort();
  }

  /** The files there are, by name. @throws XengtError XENGT_E_IO */
  names(): string[] {
    return this.#names().map((file) => file.slice(0, -SUFFIX.length));
  }

  /** @throws XengtError XENGT_E_IO */
  read(name: string): string {
    return this.#io('read', () => readFileSync(this.pathOf(name), 'utf8'));
  }

  /**
   * Does what changes files while no other process does.
   * @throws XengtError XENGT_E_BUSY when another one does not come to an end
   */
  async exclusively<T>(work: () => T): Promise<T> {
    const lock = join(this.folder, LOCK);
    for (const end = Date.now() + PATIENCE_MS; !this.#taken(lock); await delay(LOOK_AGAIN_MS)) {
      if (Date.now() < end) continue;
      const holder = runningProcess(this.#mark(lock));
      throw new XengtError(
        'XENGT_E_BUSY',
        `Definitions in ${this.folder} are being written by process ${holder ?? 'unknown'}`,
      );
    }
    try {
      for (const name of readdirSync(this.folder)) {
        if (name.startsWith(HALF_DONE)) rmSync(join(this.folder, name), { force: true, recursive: true });
      }
      return work();
    } finally {
      rmSync(lock, { force: true });
    }
  }

  /**
   * The lock is a link that names its process: made in one step, and also where the disk is full. One whose process runs no
   * more is taken away: by renaming it, which succeeds for one of those who try.
   */
  #taken(lock: string): boolean {
    try {
      symlinkSync(processMark(), lock);
      return true;
    } catch (error) {
      if (!isCode(error, 'EEXIST')) {
        throw new XengtError('XENGT_E_IO', `Cannot lock the definitions in ${this.folder}: ${reasonOf(error)}`, {
          cause: error,
        });
      }
    }
    const mark = this.#mark(lock);
    if (mark !== '' && runningProcess(mark) === null) this.#takeAway(lock, mark);
    return false;
  }

  #takeAway(lock: string, mark: string): void {
    const away = join(this.folder, `.lock-dead-${process.pid}`);
    try {
      renameSync(lock, away);
      const moved = readlinkSync(away);
      // Somebody was faster, and this is the lock of one that lives.
      if (moved !== mark) symlinkSync(moved, lock);
    } catch (error) {
      if (!isCode(error, 'ENOENT') && !isCode(error, 'EEXIST')) throw error;
    } finally {
      rmSync(away, { force: true });
    }
  }

  #mark(lock: string): string {
    try {
      return readlinkSync(lock);
    } catch (error) {
      if (isCode(error, 'ENOENT')) return '';
      throw error;
    }
  }

  /** Puts a file in place, whole or not at all. To be called exclusively. @throws XengtError XENGT_E_IO */
  put(name: string, text: string): void {
    const temporary = join(this.folder, `${HALF_DONE}${name}`);
    try {
      this.#io(`write ${name} to`, () => {
        const file = openSync(temporary, 'w', 0o600);
        try {
          writeFileSync(file, text);
          fsyncSync(file);
        } finally {
          closeSync(file);
        }
        renameSync(temporary, this.pathOf(name));
        this.#flushFolder();
      });
    } catch (error) {
      rmSync(temporary, { force: true });
      throw error;
    }
  }

  /** To be called exclusively. @throws XengtError XENGT_E_IO */
  take(name: string): void {
    this.#io(`remove ${name} from`, () => {
      rmSync(this.pathOf(name), { recursive: true });
      this.#flushFolder();
    });
  }

  #flushFolder(): void {
    const folder = openSync(this.folder, 'r');
    try {
      fsyncSync(folder);
    } finally {
      closeSync(folder);
    }
  }

  #io<T>(what: string, work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw new XengtError('XENGT_E_IO', `Cannot ${what} the definitions in ${this.folder}: ${reasonOf(error)}`, {
        cause: error,
      });
    }
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
