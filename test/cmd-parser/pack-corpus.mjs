/**
 * Packs command streams captured from real drivers (folders of the capture format "i915-batch-corpus-1": one JSON file per
 * program and one pages.bin per platform) into this project's own form, described in test/fixtures/corpus/README.md.
 *
 *   node test/cmd-parser/pack-corpus.mjs CAPTURE_FOLDER PLATFORM[:PROGRAM_PREFIX,...] ... > streams.bin.br
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants } from 'node:zlib';

const PAGE = 4096;
const [root, ...selections] = process.argv.slice(2);
const pages = [];
const indexOf = new Map();
const streams = [];

function keep(page) {
  const key = createHash('sha1').update(page).digest('hex');
  let index = indexOf.get(key);
  if (index === undefined) {
    index = pages.push(page) - 1;
    indexOf.set(key, index);
  }
  return index;
}

for (const selection of selections) {
  const [platform, prefixes] = selection.split(':');
  const folder = join(root, platform);
  const source = readFileSync(join(folder, 'pages.bin'));
  for (const file of readdirSync(folder).sort()) {
    if (!file.endsWith('.json') || (prefixes && !prefixes.split(',').some((prefix) => file.startsWith(prefix))))
      continue;
    const capture = JSON.parse(readFileSync(join(folder, file), 'utf8'));
    for (const exec of capture.execs) {
      const memory = [];
      for (const [address, list] of exec.memory) {
        list.forEach((page, i) => {
          const bytes = page < 0 ? Buffer.alloc(PAGE) : source.subarray(page * PAGE, (page + 1) * PAGE);
          memory.push([Number(address) / PAGE + i, keep(bytes)]);
        });
      }
      streams.push({
        platform: platform.toUpperCase(),
        program: capture.program,
        exec: exec.seq,
        engine: exec.engine,
        start: Number(exec.batch_addr),
        walk: exec.walk,
        commands: exec.commands,
        dwords: exec.dwords,
        segments: exec.segments.map(([from, to, kind]) => [Number(from), Number(to), kind]),
        memory,
      });
    }
  }
}

const header = Buffer.from(JSON.stringify({ streams }));
const padded = Buffer.concat([header, Buffer.alloc((4 - (header.length % 4)) % 4, 0x20)]);
const head = Buffer.alloc(16);
head.write('XGCS');
head.writeUInt32LE(1, 4);
head.writeUInt32LE(padded.length, 8);
head.writeUInt32LE(pages.length, 12);
process.stdout.write(
  brotliCompressSync(Buffer.concat([head, padded, ...pages]), {
    params: { [constants.BROTLI_PARAM_LGWIN]: 24, [constants.BROTLI_PARAM_QUALITY]: 9 },
  }),
);
process.stderr.write(`${streams.length} streams, ${pages.length} pages\n`);
