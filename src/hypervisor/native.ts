/**
 * The native addon as TypeScript sees it. It is optional: without a compiler the project still installs, and everything
 * that needs no descriptors works. Whoever needs the addon asks here and gets it, or a sentence that says what is missing.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { getSystemErrorName } from 'node:util';
import { reasonOf, XengtError } from '../base/index.js';
import type { XenNative } from './xen/native.js';

/**
 * One operation each, no policy. Results are numbers: zero or more is the result, below zero is -errno. Descriptors are
 * plain numbers that the caller owns until `close`; they belong to the process, so threads may hand them to each other.
 */
export interface Native extends XenNative {
  /** Binds and listens on a UNIX stream socket with exactly this file mode. */
  listen(path: string, mode: number): number;
  accept(fd: number): number;
  connect(path: string): number;
  socketPair(into: Int32Array): number;
  /**
   * Reads up to `length` bytes to `into[at]`; 0 is the end of the stream. `fds` becomes [count, fd, fd, ...] of the
   * descriptors that came along, count -1 when some had to be dropped (none is kept then).
   */
  recv(fd: number, into: Uint8Array, at: number, length: number, fds: Int32Array): number;
  send(fd: number, from: Uint8Array, at: number, length: number, fds?: Int32Array): number;
  close(fd: number): number;

  /** Shared, writable view of a file's pages; the range must lie within the file. */
  map(fd: number, offset: number, length: number): ArrayBuffer | number;
  /** Zero pages at whose place others' memory can be mapped piece by piece; let go of by `unmap` too. */
  arena(length: number): ArrayBuffer | number;
  /** Lets go of the file; views that still exist read zero from now on. */
  unmap(buffer: ArrayBuffer): number;
  /** Mappings of files in force, in all threads. */
  mappings(): number;
  /** Accesses, in all threads, to pages that their file no longer had (each was answered with zeroes). */
  busFaults(): number;
  faultsOf(buffer: ArrayBuffer): number;
  /** [device, inode high, inode low, size, 1 when it is a regular file] */
  statFile(fd: number, into: Float64Array): number;

  eventfd(): number;
  /** Checks that a received descriptor is an eventfd, and makes it non-blocking. */
  adoptEventfd(fd: number): number;
  /** 1 when the event was added, 0 when it was pending to the brim already. */
  signal(fd: number): number;
  drain(fd: number): number;

  epollCreate(): number;
  epollSet(ep: number, fd: number, interest: number, id: number): number;
  epollRemove(ep: number, fd: number): number;
  epollWait(ep: number, timeoutNs: number, ready: Int32Array, spinNs: number): number;
}

/** What loading the addon came to: the addon, or why there is none. */
export interface Loaded {
  readonly native: Native | null;
  readonly missing: string;
}

/** Root of this package: works from sources and from a build, whose depths differ. */
function packageRoot(): string {
  const start = dirname(fileURLToPath(import.meta.url));
  for (let at = start; ; at = dirname(at)) {
    const manifest = join(at, 'package.json');
    if (existsSync(manifest)) {
      const { name } = JSON.parse(readFileSync(manifest, 'utf8')) as { name?: string };
      if (name === 'xengt') return at;
    }
    if (dirname(at) === at) return start;
  }
}

function missingTools(): string[] {
  const folders = (process.env.PATH ?? '').split(delimiter);
  return ['g++', 'make', 'python3'].filter((tool) => !folders.some((folder) => existsSync(join(folder, tool))));
}

/** Loads the addon from one file. */
export function loadFrom(file: string): Loaded {
  if (process.platform !== 'linux') {
    return { native: null, missing: `the native addon needs Linux, and this is ${process.platform}` };
  }
  if (!existsSync(file)) {
    const tools = missingTools();
    const why =
      tools.length > 0 ? `; to build it, install ${tools.join(', ')} (Debian: apt-get install ${tools.join(' ')})` : '';
    return {
      native: null,
      missing: `the native addon is not built (no ${file})${why}; ${why ? 'then ' : ''}run \`npm rebuild\``,
    };
  }
  try {
    return { native: createRequire(import.meta.url)(file) as Native, missing: '' };
  } catch (error) {
    return {
      native: null,
      missing: `the native addon does not load, \`npm rebuild\` builds it for this Node: ${reasonOf(error)}`,
    };
  }
}

/** Where the addon is built to. */
export function addonFile(): string {
  return join(packageRoot(), 'build', 'Release', 'xengt.node');
}

let loaded: Loaded | null = null;

function load(): Loaded {
  loaded ??= loadFrom(addonFile());
  return loaded;
}

/** The addon, or null where it cannot be had. */
export function loadNative(): Native | null {
  return load().native;
}

/** One sentence that says what is missing; empty when nothing is. */
export function nativeMissing(): string {
  return load().missing;
}

/** The addon. @throws XengtError XENGT_E_NO_ADDON that says what is missing */
export function requireNative(): Native {
  const { native, missing } = load();
  if (native === null) throw new XengtError('XENGT_E_NO_ADDON', missing);
  return native;
}

/** "EADDRINUSE" and the like for a negative result. */
export function errnoName(result: number): string {
  return getSystemErrorName(result);
}

/** Passes a result through. @throws XengtError XENGT_E_IO when it is an errno */
export function check(result: number, what: string): number {
  if (result < 0) throw new XengtError('XENGT_E_IO', `${what}: ${errnoName(result)}`);
  return result;
}
