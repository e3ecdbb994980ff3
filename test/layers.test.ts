/**
 * The layer rule: an import points down the list, never up and never to a sibling; across folders it goes through the
 * folder's public face, or through a file that holds nothing but a contract (`port.ts`, `api.ts`).
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { importsOf } from './import-scanner.js';

const SOURCE = resolve(dirname(fileURLToPath(import.meta.url)), '..', 'src');

/** Ground floor first; folders of one line are siblings. */
const LAYERS = [
  ['base'],
  ['hw'],
  ['mmio', 'gtt', 'cmd-parser', 'gpu', 'hypervisor'],
  ['scheduler'],
  ['vgpu'],
  ['mediator'],
  ['control'],
  ['main.ts', 'console'],
] as const;

const FACES = /^(index|port|api)\.ts$/;

const level = (part: string) => LAYERS.findIndex((layer) => layer.some((name) => name === part));

/** Paths are relative to src/, with `/`. @returns what is wrong with `file` importing `target`, or nothing */
function verdict(file: string, target: string): string | undefined {
  const from = file.split('/')[0] ?? '';
  const to = target.split('/')[0] ?? '';
  if (target.startsWith('..')) return 'leaves src/';
  if (level(from) < 0) return `is in "${from}", which is no layer`;
  if (from === to) return undefined;
  if (level(to) < 0) return `imports from "${to}", which is no layer`;
  if (level(to) > level(from)) return `points up, from ${from} to ${to}`;
  if (level(to) === level(from)) return `points to a sibling, from ${from} to ${to}`;
  if (!FACES.test(posix.basename(target))) return `goes past the public face of ${to}`;
  return undefined;
}

function targetOf(file: string, specifier: string): string {
  return posix.normalize(posix.join(posix.dirname(file), specifier)).replace(/\.js$/, '.ts');
}

const files = readdirSync(SOURCE, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
  .map((entry) => relative(SOURCE, join(entry.parentPath, entry.name)).split(sep).join('/'))
  .sort();

describe('every import of the program', () => {
  test.each(files)('%s points down, through public faces', (file) => {
    const text = readFileSync(join(SOURCE, file), 'utf8');
    const wrong = importsOf(text)
      .filter((specifier) => specifier.startsWith('.'))
      .map((specifier) => [specifier, verdict(file, targetOf(file, specifier))] as const)
      .filter(([, problem]) => problem !== undefined)
      .map(([specifier, problem]) => `${specifier} ${problem}`);
    expect(wrong).toEqual([]);
    if (verdict(file, file) !== undefined) expect.fail(`${file} ${verdict(file, file)}`);
  });

  test('ends with .js, as Node wants it', () => {
    const bare = files.flatMap((file) =>
      importsOf(readFileSync(join(SOURCE, file), 'utf8'))
        .filter((specifier) => specifier.startsWith('.') && !specifier.endsWith('.js'))
        .map((specifier) => `${file}: ${specifier}`),
    );
    expect(bare).toEqual([]);
  });
});

describe('the rule itself', () => {
  test.each([
    ['mmio/a.ts', '../hw/index.js'],
    ['mmio/deep/a.ts', '../../base/index.js'],
    ['mmio/deep/a.ts', '../own.js'],
    ['control/a.ts', '../mediator/api.js'],
    ['mediator/a.ts', '../vgpu/display/port.js'],
    ['main.ts', './control/index.js'],
  ])('lets %s import %s', (file, specifier) => {
    expect(verdict(file, targetOf(file, specifier))).toBeUndefined();
  });

  test.each([
    ['hw/a.ts', '../mmio/index.js', /up, from hw to mmio/],
    ['base/errors.ts', '../control/index.js', /up/],
    ['control/a.ts', '../main.js', /up/],
    ['mmio/a.ts', '../gtt/index.js', /sibling/],
    ['gpu/model/a.ts', '../../hypervisor/port.js', /sibling/],
    ['mmio/a.ts', '../hw/registers/types.js', /past the public face of hw/],
    ['main.ts', './control/daemon.js', /past the public face/],
    ['mmio/a.ts', '../../test/rig.js', /leaves src/],
    ['mmio/a.ts', '../tools/index.js', /"tools", which is no layer/],
    ['tools/a.ts', '../base/index.js', /"tools", which is no layer/],
  ])('does not let %s import %s', (file, specifier, problem) => {
    expect(verdict(file, targetOf(file, specifier))).toMatch(problem);
  });
});

describe('the scanner finds', () => {
  test.each([
    ['a default import', "import x from './a.js';", ['./a.js']],
    ['a type import', 'import type { X } from "./a.js"', ['./a.js']],
    ['an import over lines', "import {\n  x,\n  type Y,\n} from './a.js';", ['./a.js']],
    ['an import for its effect', "import './a.js';", ['./a.js']],
    ['an export from elsewhere', "export * from './a.js'; export { b } from './b.js';", ['./a.js', './b.js']],
    ['an import at run time', "const x = await import('./a.js');", ['./a.js']],
    ['an import at run time as a template', 'void import(`./a.js`);', ['./a.js']],
    ['a type taken by import', "let x: import('./a.js').X;", ['./a.js']],
    ['a module by URL', "new Worker(new URL('./worker.js', import.meta.url));", ['./worker.js']],
    ['one after a regular expression', "const q = /['\"`/*]/; import './a.js';", ['./a.js']],
    ['one after a division', "const q = a / b; import './a.js'; const r = c / d;", ['./a.js']],
    ['one after a template', `const q = \`$\{'x'} from './no.js'\`; import './a.js';`, ['./a.js']],
  ])('%s', (_what, text, found) => {
    expect(importsOf(text)).toEqual(found);
  });

  test.each([
    ['comments', "// import './a.js'\n/* import x from './a.js'; */"],
    ['texts', `const s = "import './a.js'";`],
    ['other calls', "Array.from('./a.js'); from('./a.js'); require.resolve('./a.js');"],
    ['other URLs', "new URL('./page.js', base); new URL('../build/addon.node', import.meta.url);"],
  ])('nothing in %s', (_what, text) => {
    expect(importsOf(text)).toEqual([]);
  });
});
