/** What the program knows of its own package: version, and where the files that the compiler does not copy are. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { XengtError } from '../base/index.js';

export interface PackageInfo {
  readonly root: string;
  readonly version: string;
}

const manifest = z.object({ name: z.string(), version: z.string() });

/** The nearest folder above this module whose package.json is ours: modules run from src/ in tests, from dist/src/ installed. */
export function packageInfo(): PackageInfo {
  let folder = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    const file = join(folder, 'package.json');
    if (existsSync(file)) {
      const parsed = manifest.safeParse(JSON.parse(readFileSync(file, 'utf8')));
      if (parsed.success && parsed.data.name === 'xengt') return { root: folder, version: parsed.data.version };
    }
    const parent = dirname(folder);
    if (parent === folder)
      throw new XengtError('XENGT_E_IO', 'The package.json of xengt is missing beside the program');
    folder = parent;
  }
}
