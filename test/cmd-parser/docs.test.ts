import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { SCAN_RULES } from '../../src/cmd-parser/index.js';

describe("the scanner's page of the manual", () => {
  const page = readFileSync(new URL('../../docs/scanner.md', import.meta.url), 'utf8');

  it('has each rule as a verdict words it', () => {
    for (const [code, rule] of Object.entries(SCAN_RULES)) expect(page).toContain(`| \`${code}\` | ${rule} |`);
  });
  it('has no rule that is none', () => {
    const codes = [...page.matchAll(/^\| `([a-z-]+)` \| [a-z]/gm)].map(([, code]) => code!);
    const known = new Set<string>([...Object.keys(SCAN_RULES), 'ring', 'wa', 'ppgtt', 'haswell']);
    expect(codes.filter((code) => !known.has(code))).toEqual([]);
  });
});
