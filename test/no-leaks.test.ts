/** What is tracked must be true on every machine: no path of the one on which it was written, no host of its registries. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');

/** In pieces, for this file is tracked too. */
const FORBIDDEN = [
  ['/', 'work/'],
  ['/', 'home/'],
  ['/', 'Users/'],
  ['file:', '//'],
  ['deb.', 'debian.org'],
  ['ftp.', 'debian.org'],
  ['security.', 'debian.org'],
  ['snapshot.', 'debian.org'],
  ['archive.', 'ubuntu.com'],
  ['registry.', 'npmjs'],
  ['registry.', 'yarnpkg'],
  ['registry.', 'npmmirror'],
  ['pypi.', 'org'],
  ['proxy.', 'golang.org'],
  ['_auth', 'Token'],
].map((pieces) => pieces.join(''));

/** Generated or fetched, in a tree that git does not describe. */
const NOT_OURS = new Set(['node_modules', 'dist', 'build', '.git', '.cache']);

function tracked(): string[] {
  const git = spawnSync('git', ['ls-files', '-z'], { cwd: ROOT, encoding: 'utf8', maxBuffer: 64 << 20 });
  if (git.status === 0 && git.stdout !== '') return git.stdout.split('\0').filter((name) => name !== '');
  const walk = (folder: string): string[] =>
    readdirSync(folder, { withFileTypes: true })
      .filter((entry) => !NOT_OURS.has(entry.name))
      .flatMap((entry) => {
        const path = join(folder, entry.name);
        return entry.isDirectory() ? walk(path) : entry.isFile() ? [relative(ROOT, path)] : [];
      });
  return walk(ROOT);
}

/** A file that is listed but was just removed has nothing to leak; one with a zero byte is no text. */
function textOf(name: string): string | undefined {
  try {
    const bytes = readFileSync(join(ROOT, name));
    return bytes.subarray(0, 8192).includes(0) ? undefined : bytes.toString('utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'EISDIR'))
      return undefined;
    throw error;
  }
}

function leaks(name: string, text: string): string[] {
  return text
    .split('\n')
    .flatMap((line, at) => FORBIDDEN.filter((word) => line.includes(word)).map((word) => `${name}:${at + 1}: ${word}`));
}

test('no tracked file names a path of a build machine or the host of a registry', () => {
  const names = tracked();
  expect(names).toEqual(expect.arrayContaining(['package.json', 'package-lock.json', 'src/main.ts']));
  expect(names.flatMap((name) => leaks(name, textOf(name) ?? ''))).toEqual([]);
});

test('a path and a host are seen wherever they stand', () => {
  expect(FORBIDDEN.flatMap((word) => leaks('x', `first\n const at = "http://u@${word}x";`))).toEqual(
    FORBIDDEN.map((word) => `x:2: ${word}`),
  );
});
