import { join } from 'node:path';
import { expect, test } from 'vitest';
import { packageInfo } from '../../../src/control/package-info.js';
import { GROUPS } from '../../../src/control/tree/index.js';
import { referencePage } from '../../../src/control/tree/reference.js';

test('the reference page in the manual is that of the declaration', async () => {
  await expect(referencePage(GROUPS)).toMatchFileSnapshot(join(packageInfo().root, 'docs', 'tree.md'));
});

test('every attribute says what it is, once at each place', () => {
  const seen = new Set<string>();
  for (const { at, rows, links } of GROUPS) {
    for (const { name, doc } of [...rows, ...links]) {
      expect(doc, `${at}/${name}`).toMatch(/\.$/);
      expect(seen, `${at}/${name}`).not.toContain(`${at}/${name}`);
      seen.add(`${at}/${name}`);
    }
  }
  expect(seen.size).toBeGreaterThan(60);
});
