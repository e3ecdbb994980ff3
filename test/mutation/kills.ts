/**
 * What earlier runs found out and still holds: a test that noticed a mutation notices it again as long as neither it nor
 * anything that it runs has changed. So after a test was written, a run tries only what no test had noticed.
 */
import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Fate } from './job.js';
import type { Site } from './sites.js';

/** All that a test may run or read and all that runs it, but for other tests and for what is only said about survivors. */
const GROUND = [
  'src/base',
  'src/hw',
  'src/cmd-parser',
  'test/cmd-parser',
  'test/fixtures',
  'test/mutation',
  'package-lock.json',
];
const ASIDE = [
  '.test.ts',
  ...['equivalents.ts', 'index.ts', 'kills.ts', 'report.ts', 'run.ts'].map((name) => `test/mutation/${name}`),
];

interface Kill {
  readonly mutation: string;
  readonly fate: Fate;
  /** The test file that noticed, and what it said then. */
  readonly by: string;
  readonly text: string;
}

export class Kills {
  readonly #root: string;
  readonly #file: string;
  readonly #known = new Map<string, Kill>();
  readonly #digests = new Map<string, string>();

  /** @param file relative to the root, like all paths here */
  constructor(root: string, file: string) {
    this.#root = root;
    this.#file = join(root, file);
    const ground = digestOf(root, GROUND);
    const [before, ...lines] = existsSync(this.#file) ? readFileSync(this.#file, 'utf8').split('\n') : [''];
    if (before !== ground) {
      writeFileSync(this.#file, `${ground}\n`);
      return;
    }
    for (const line of lines) {
      if (line === '') continue;
      const kill = JSON.parse(line) as Kill;
      this.#known.set(kill.mutation, kill);
    }
  }

  fateOf(site: Site, variant: number): Fate | undefined {
    const kill = this.#known.get(nameOf(site, variant));
    return kill !== undefined && kill.text === this.#textOf(kill.by) ? kill.fate : undefined;
  }

  note(site: Site, variant: number, fate: Fate, by: string): void {
    const kill: Kill = { mutation: nameOf(site, variant), fate, by, text: this.#textOf(by) };
    appendFileSync(this.#file, `${JSON.stringify(kill)}\n`);
  }

  #textOf(test: string): string {
    let digest = this.#digests.get(test);
    if (digest === undefined) {
      const path = join(this.#root, test);
      digest = existsSync(path) ? createHash('sha256').update(readFileSync(path)).digest('hex') : 'gone';
      this.#digests.set(test, digest);
    }
    return digest;
  }
}

/** Within sources that are the same, positions are. */
const nameOf = ({ file, start, end }: Site, variant: number): string => `${file}:${start}-${end}:${variant}`;

function digestOf(root: string, paths: readonly string[]): string {
  const hash = createHash('sha256');
  for (const path of paths) {
    const names = path.includes('.')
      ? [path]
      : readdirSync(join(root, path), { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile())
          .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
          .filter((name) => !ASIDE.some((ending) => name.endsWith(ending)))
          .sort();
    for (const name of names) {
      const text = readFileSync(join(root, name));
      hash.update(`${name} ${text.length}\n`).update(text);
    }
  }
  return hash.digest('hex');
}
