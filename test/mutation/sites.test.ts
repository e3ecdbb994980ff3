import { describe, expect, test } from 'vitest';
import { instrument } from './instrument.js';
import { sitesOf } from './sites.js';
import { EndlessLoop, installBoard } from './switchboard.js';

const changes = (source: string): string[] =>
  sitesOf(source, 'x.ts').sites.flatMap(({ line, variants }) => variants.map(({ change }) => `${line}: ${change}`));

/** What `f` returns for each mutation of plain JavaScript, with the unchanged one first. */
function results(source: string, ...given: unknown[]): unknown[] {
  const found = sitesOf(source, 'x.ts');
  const board = installBoard(found.sites.length);
  const text = instrument(found);
  const call = (): unknown => {
    board.turns = 1000;
    try {
      return new Function(`${text}\nreturn f;`)()(...given);
    } catch (error) {
      return error instanceof EndlessLoop ? 'endless' : String(error);
    }
  };
  const all = [call()];
  for (const { id, variants } of found.sites) {
    for (const variant of variants.keys()) {
      board.site = id;
      board.variant = variant;
      all.push(call());
    }
  }
  return all;
}

describe('what a mutation run changes', () => {
  test('a check is held true and held false, and an operand of it is taken away', () => {
    expect(changes('if (a && b) f();')).toEqual([
      '1: a && b → true',
      '1: a && b → false',
      '1: a && b → a || b',
      '1: a → true',
      '1: b → true',
      '1: f(); → removed',
    ]);
    expect(changes('x = a || b;')).toContain('1: a → false');
  });

  test('a bound is moved by one', () => {
    expect(changes('const ok = end <= max;')).toEqual([
      '1: end <= max → true',
      '1: end <= max → false',
      '1: end <= max → end < max',
    ]);
  });

  test('a mask is taken off and turned round, a shift goes the other way, a sign is kept', () => {
    expect(changes('g(a & ~m);')).toEqual([
      '1: g(a & ~m); → removed',
      '1: a & ~m → a',
      '1: a & ~m → a | ~m',
      '1: ~m → m',
    ]);
    expect(changes('const y = a << b;')).toEqual(['1: a << b → a >>> b']);
    expect(changes('const y = a >>> 0;')).toEqual(['1: a >>> 0 → a']);
  });

  test('parentheses stay where they were', () => {
    expect(changes('const y = (a + b) * c;')).toEqual(['1: (a + b) * c → (a + b) / c', '1: a + b → a - b']);
  });

  test('a constant is one more and one less, -1 is nothing', () => {
    expect(changes('const y = s.words[at + 1]!;')).toEqual(['1: at + 1 → at - 1', '1: 1 → 2', '1: 1 → 0']);
    expect(changes('const y = 0xff;')).toEqual(['1: 0xff → 0x100', '1: 0xff → 0xfe']);
    expect(changes('const y = -1;')).toEqual(['1: -1 → 0']);
  });

  test('a verdict code is another, a sentence and a printed number stay', () => {
    expect(changes("const r = ['bad-length', 'it is too long', `at 1`];")).toEqual([
      "1: row 'bad-length' → dropped",
      "1: 'bad-length' → 'mutated'",
      "1: row 'it is too long' → dropped",
      '1: row `at 1` → dropped',
    ]);
    expect(changes("const t = { name: 'DERRMR', at: 'shared' };")).toEqual(["1: 'shared' → 'mutated'"]);
    expect(changes("const hex = (v) => v.toString(16).padStart(8, '0');")).toEqual([]);
  });

  test('a row of a table is dropped, and a case of a switch never taken', () => {
    expect(changes('const H = { a: first, b: second };')).toEqual([
      '1: row a: first → dropped',
      '1: row b: second → dropped',
    ]);
    expect(changes('switch (k) { case K.ONE: f(); }')).toContain('1: K.ONE → Number.NaN');
  });

  test('what a function says about a stream is turned round', () => {
    expect(changes('const f = (): boolean => g();')).toEqual(['1: g() → true', '1: g() → false']);
    expect(changes('function f(): Next {\n  return s.refuse(1);\n}')).toContain('2: s.refuse(1) → 0');
  });

  test('types, names and imports are no text of the program', () => {
    const source =
      "import { a } from 'a-b';\ntype T = 'x' | 3;\nexport interface I { b: 4 }\nconst y = z as 5;\nq['r'];";
    expect(changes(source)).toEqual(["5: 'r' → 'mutated'"]);
  });
});

describe('an instrumented file', () => {
  test('does the same as the file while nothing is switched, and each mutation alone otherwise', () => {
    expect(results('function f(a, b) { return a < b ? 10 : 20; }', 1, 1)).toEqual([20, 10, 20, 10, 20, 20, 21, 19]);
  });

  test('loses a statement, a row or a field, and only that', () => {
    expect(results('function f() { let n = 0; add(); return n; function add() { n = 5; } }')).toEqual([
      5, 5, 0, 0, 6, 4,
    ]);
    expect(results('const T = [...[a], b]; function a() {} function b() {} function f() { return T.length; }')).toEqual(
      [2, 1, 1, 1],
    );
    expect(
      results('const T = { ...{ a }, b: a }; function a() {} function f() { return Object.keys(T).join(); }'),
    ).toEqual(['a,b', 'b', 'b', 'a']);
  });

  test('has its endless loops cut off, also those without a block', () => {
    expect(results('function f() { let i = 0; while (i < 2) i++; return i; }')).toContain('endless');
    expect(results('function f() { let n = 0; for (let i = 3; i > 0; i--) { n += i; } return n; }')).toContain(
      'endless',
    );
  });

  test('says which of its sites were passed', () => {
    const found = sitesOf('function f(a) { return a ? 1 : 2; }', 'x.ts');
    const board = installBoard(found.sites.length);
    new Function(`${instrument(found)}\nreturn f;`)()(true);
    expect([...board.passed]).toEqual([1, 1, 0]);
  });
});
