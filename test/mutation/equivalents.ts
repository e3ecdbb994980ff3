/** Survivors that are right to survive: the changed text does the same. Each with its reason, which the manual shows. */
import type { Equivalent } from './report.js';

/** A reason, and by part of a source line the changes that it is the reason for. */
type Reason = readonly [why: string, changes: Readonly<Record<string, readonly string[]>>];

const of = (file: string, reasons: readonly Reason[]): Equivalent[] =>
  reasons.flatMap(([why, places]) =>
    Object.entries(places).flatMap(([at, changes]) => changes.map((change): Equivalent => ({ file, at, change, why }))),
  );

export const EQUIVALENTS: readonly Equivalent[] = [
  ...of('src/cmd-parser/register-policy.ts', [
    [
      'the kinds stay apart from the other bits, and within a byte',
      {
        'REG_KIND_SHIFT = 4': ['4 → 5'],
      },
    ],
    [
      'the kinds stay apart from the other bits',
      {
        'REG_KIND_SHIFT = 4': ['4 → 3'],
      },
    ],
    [
      'any number that no other kind has will do',
      {
        'VALUE: 5': ['5 → 6'],
      },
    ],
    [
      'a row ends with the dword that its last byte is in: fill drops the fraction',
      {
        'bytes: 128': ['128 → 129'],
        'bytes: 8,': ['8 → 9'],
        'bytes: 4,': ['4 → 5'],
        'bytes: 32': ['32 → 33'],
        'BLOCK_BYTES = 0x1000': ['0x1000 → 0x1001'],
      },
    ],
    [
      'an offset within a dword starts at that dword: fill drops the fraction',
      {
        "name: 'UHPTR'": ['0x134 → 0x135'],
        "name: 'CCID'": ['0x2180 → 0x2181'],
        "name: '3D_ADDRESS_2148'": ['0x2148 → 0x2149'],
        "name: 'GEN7_HWS_PGA_VCS'": ['0x4180 → 0x4181'],
        "name: 'GEN7_HWS_PGA_BCS'": ['0x4280 → 0x4281'],
        "name: 'GEN7_HWS_PGA_VECS'": ['0x4380 → 0x4381'],
        'offset: 0x4df4': ['0x4df4 → 0x4df5'],
        "name: 'DERRMR'": ['0x44050 → 0x44051'],
        "name: 'FORCEWAKE_MT'": ['0xa188 → 0xa189'],
        'offset: 0xa270': ['0xa270 → 0xa271'],
        'offset: 0xa278': ['0xa278 → 0xa279'],
        "const base = row.at === 'engine'": ['0 → 1'],
      },
    ],
    [
      'it would close for other engines what is closed to them already',
      {
        "name: 'CCID'": ["'shared' → 'mutated'"],
      },
    ],
    [
      'for other engines the whole block of the render engine is closed afterwards',
      {
        "name: '3D_ADDRESS_2148'": ["'shared' → 'mutated'"],
      },
    ],
    [
      'discarded writes are rows for every engine, whatever their place says',
      {
        "name: 'DERRMR'": ["'shared' → 'mutated'"],
        "name: 'FORCEWAKE_MT'": ["'shared' → 'mutated'"],
        "at: 'shared',": ["'shared' → 'mutated'"],
      },
    ],
    [
      'the last dword begins before either',
      {
        'MOCS_END = 0xd000': ['0xd000 → 0xcfff'],
      },
    ],
    [
      'a row without such bits would note that it has none',
      {
        'row.mustBeZero !== undefined': ['row.mustBeZero !== undefined → true'],
      },
    ],
    [
      'a write behind the end of a typed array is dropped',
      {
        'dword < WINDOW_DWORDS': ['dword < WINDOW_DWORDS → dword <= WINDOW_DWORDS'],
      },
    ],
    [
      'what is closed would be closed once more',
      {
        'cmdAccess[at / 4] !== 0': ['cmdAccess[at / 4] !== 0 → true'],
      },
    ],
  ]),
  ...of('src/cmd-parser/register-handlers.ts', [
    [
      'the next case asks for bits that must be zero, of which these registers have none',
      {
        'break;': ['break; → removed'],
      },
    ],
    [
      'pairs end together with the command: a pair more or half of one is the same',
      {
        'if (i + 2 >= end': ['2 → 3'],
      },
    ],
    [
      'bit 0 of a register that was looked up is zero',
      {
        'const upperFirst = (register & 4) !== 0': ['4 → 5'],
      },
    ],
  ]),
  ...of('src/cmd-parser/scan-table.ts', [
    [
      'a row without a handler is allowed, and then its handler is not asked for',
      {
        "row.handler ?? 'plain'": ["row.handler ?? 'plain' → row.handler", "'plain' → 'mutated'"],
      },
    ],
    [
      'a typed array holds 0 for what is not a number',
      {
        'addressAt[id] = ': ['address?.dword ?? 0 → address?.dword'],
        'secondAt[id] = ': ['second?.dword ?? 0 → second?.dword'],
      },
    ],
    [
      'an address has 32 bits or 48',
      {
        'address.bits > 32': ['32 → 33'],
      },
    ],
    [
      'bit 0 of such an entry is set in any case',
      {
        'unbroken ? 0 : GAPS': ['0 → 1'],
      },
    ],
    [
      'a write behind the end of a typed array is dropped',
      {
        'i < entries.length': ['i < entries.length → i <= entries.length'],
      },
    ],
  ]),
  ...of('src/hw/commands/compile.ts', [
    [
      'a shift takes the lower five bits of its distance',
      {
        '(1 << (entry & 31))': ['entry & 31 → entry'],
      },
    ],
    [
      '& takes the same 32 bits of either',
      {
        "'header'": ['(2 ** (32 - row.bits) - 1) >>> 0 → 2 ** (32 - row.bits) - 1'],
      },
    ],
    [
      'what is put among 32-bit words has 32 bits',
      {
        'const entry = (width |': [
          '(width | (bias << BIAS_SHIFT) | limited | (handler << HAN... → width | (bias << BIAS_SHIFT) | limited | (handler << HAND...',
        ],
      },
    ],
  ]),
  ...of('src/cmd-parser/verdict-cache.ts', [
    [
      'the view is made anew for any other memory, whatever size this one has',
      {
        '#memory: ArrayBufferLike': ['0 → 1'],
      },
    ],
    [
      'the view is made anew before it is first used',
      {
        '#view: Buffer': ['0 → 1'],
      },
    ],
    [
      'an address of a dword has a zero at bit 0',
      {
        'const bytes = Math.min(PAGE_SIZE -': ['1 → 2'],
        'const first = words.byteOffset': ['1 → 2'],
      },
    ],
    [
      'a view that is made again shows the same bytes',
      {
        'words.buffer !== this.#memory': ['words.buffer !== this.#memory → true'],
        'this.#memory = words.buffer;': ['this.#memory = words.buffer; → removed'],
      },
    ],
    [
      'who shares a slot decides over what is kept, not over any verdict',
      {
        'const slotOf': [
          'space * 0x80000000 + address * 8 + engine → space * 0x80000000 + address * 8 - engine',
          'space * 0x80000000 + address * 8 → space * 0x80000000 - address * 8',
          '0x80000000 → 0x80000001',
          '0x80000000 → 0x7fffffff',
          'address * 8 → address / 8',
          '8 → 9',
          '8 → 7',
        ],
      },
    ],
    [
      'keys of one slot differ in both address and space or in neither',
      {
        'verdict.address === key.address &&': ['verdict.address === key.address → true'],
        'verdict.space === key.space &&': ['verdict.space === key.space → true'],
      },
    ],
    [
      'keys of one slot have one engine: it has bits of the slot to itself',
      {
        'verdict.engine === key.engine &&': ['verdict.engine === key.engine → true'],
      },
    ],
    [
      "the trust says it as well: a ring's batches are global, others are not",
      {
        'verdict.perProcess === key.perProcess &&': ['verdict.perProcess === key.perProcess → true'],
      },
    ],
    [
      'the same ranges are equal ranges',
      {
        '(verdict.ranges === key.ranges': ['verdict.ranges === key.ranges → false'],
      },
    ],
  ]),
  ...of('src/cmd-parser/batch-walk.ts', [
    [
      'a record that is not open forgets its stores when it is opened',
      {
        'if (this.reuse.record.isOpen) this.reuse.record.stored': ['this.reuse.record.isOpen → true'],
      },
    ],
    [
      'a store from before the page that reaches beyond its own command lies across pages, and its page is read anew',
      {
        'const last = address + (end - from) * 4': ['(end - from) * 4 → (end - from) / 4', '4 → 3'],
      },
    ],
    [
      'a page that is read anew is the same page',
      {
        'const last = address + (end - from) * 4': ['end - from → end + from', '4 → 5'],
        'if (last <= page || address': [
          'last <= page → last < page',
          'address >= page + PAGE_SIZE → address > page + PAGE_SIZE',
        ],
      },
    ],
    ['any number that no other kind has will do', { 'const REFUSED =': ['3 → 4'], 'const IN_PLACE =': ['2 → 3'] }],
    [
      'each command that is looked at brings its count',
      { 'this.commands = 0;': ['this.commands = 0; → removed', '0 → 1'] },
    ],
    [
      'the cache is asked for once more',
      { 'if (this.reuse.cache === undefined) return false;': ['this.reuse.cache === undefined → false'] },
    ],
    ['who shares a slot decides over what is kept, not over any verdict', { 'key.space = perProcess ?': ['0 → 1'] }],
    [
      'a verdict that is not used although it could be is judged anew, to the same end',
      { 'key.trust = perProcess ?': ['perProcess → false'] },
    ],
    [
      'what is put among 32-bit words has 32 bits',
      { 'if (perProcess) this.patch(at,': ['(this.words[at]! & ~BBS_PPGTT) >>> 0 → this.words[at]! & ~BBS_PPGTT'] },
    ],
    ['an address of a dword has a zero at bit 0', { 'const readable = perProcess': ['1 → 2'] }],
    [
      'a version that is not there is none that is found again',
      {
        'record.copies(index,': [
          'cache?.versions?.versionOf(Math.floor(address / PAGE_SIZE... → cache?.versions?.versionOf(Math.floor(address / PAGE_SIZE...',
        ],
      },
    ],
    ['the trust says it as well', { 'key.perProcess = perProcess;': ['key.perProcess = perProcess; → removed'] }],
    [
      'a predicated chain stays at its level',
      { 'place.level = asked.level;': ['place.level = asked.level; → removed'] },
    ],
    ['what is postponed begins at its own address', { 'const place = this.#place(0);': ['0 → 1'] }],
    [
      'the first copy is not postponed: it is the one that postpones',
      { 'place.mode = index < 0 ?': ['index < 0 → index <= 0', '0 → 1'] },
    ],
    [
      'from the end up to there is nothing to clear',
      {
        'if (reach > batch.dwords)': ['reach > batch.dwords → true', 'reach > batch.dwords → reach >= batch.dwords'],
      },
    ],
    ['both are the same address', { 'return hit < 0 || (recalled >= 0': ['recalled < hit → recalled <= hit'] }],
    ['a copy that is entered says so itself', { 'this.mode = copy ? COPIED : IN_PLACE;': ['copy → false'] }],
    ['the command in hand is there already', { 'this.at = at;': ['this.at = at; → removed'] }],
    [
      'a command that is named is there',
      { 'this.header = this.words[at] ?? 0;': ['this.words[at] ?? 0 → this.words[at]', '0 → 1'] },
    ],
    ['no jump comes back there, for an address of a dword has a zero at bit 0', { 'const back = returns': ['0 → 1'] }],
    [
      'a call comes back behind itself, and where it is tells it from others already',
      {
        'const back = returns': [
          'returns → false',
          'from + length * 4 → from - length * 4',
          'length * 4 → length / 4',
          '4 → 5',
          '4 → 3',
        ],
      },
    ],
    [
      'a page that nothing was stored into is copied as it is',
      { 'if (this.#stored.touchesPage(page))': ['this.#stored.touchesPage(page) → true'] },
    ],
    [
      'memory would be held until the next scan, which does not look at it',
      {
        'this.words = NO_WORDS;': ['this.words = NO_WORDS; → removed'],
        'this.ggtt = NO_FRAMES;': ['this.ggtt = NO_FRAMES; → removed'],
      },
    ],
    [
      'a list that is empty would be emptied',
      {
        'if (this.#callers.length > 0)': [
          'this.#callers.length > 0 → true',
          'this.#callers.length > 0 → this.#callers.length >= 0',
        ],
        'if (this.#pending.length > 0)': [
          'this.#pending.length > 0 → true',
          'this.#pending.length > 0 → this.#pending.length >= 0',
        ],
      },
    ],
    [
      'while a record is open it is a batch that is patched, and one that is opened forgets what was before',
      {
        'if (this.reuse.record.isOpen && this.batch >= 0)': [
          'this.reuse.record.isOpen && this.batch >= 0 → true',
          'this.reuse.record.isOpen → true',
          'this.batch >= 0 → true',
          'this.reuse.record.isOpen && this.batch >= 0 → this.reuse.record.isOpen || this.batch >= 0',
        ],
      },
    ],
    [
      'a refusal has been reported by then',
      {
        'if (next === MOVED) this.batchAddress = address;': ['next === MOVED → true'],
      },
    ],
    [
      'an address of a dword has a zero at bit 0',
      {
        'const offset = (address & (PAGE_SIZE - 1)) >>> 2;': ['1 → 2'],
      },
    ],
    [
      'every scan begins with a value of its own',
      {
        'const NO_RANGES': ['0 → 1'],
        '^at = 0;': ['0 → 1'],
        '^end = 0;': ['0 → 1'],
        '^base = 0;': ['0 → 1'],
        '^batch = -1;': ['-1 → 0'],
        '^batchAddress = 0;': ['0 → 1'],
        '^id = 0;': ['0 → 1'],
        '^header = 0;': ['0 → 1'],
        '^markedAt = 0;': ['0 → 1'],
        '^hwspPage = 0;': ['0 → 1'],
        '^commands = 0;': ['0 → 1'],
        'this.table = table;': ['this.table = table; → removed'],
        '^#pieceStart = 0;': ['0 → 1'],
        "#kind: Segment['kind'] =": ["'primary' → 'mutated'"],
        '^#ringFrom = 0;': ['0 → 1'],
        '^#pages = 0;': ['0 → 1'],
        'const NO_FRAMES': ['row words: NO_WORDS → dropped', 'row locate: () => -1 → dropped', '-1 → 0'],
      },
    ],
    [
      'it grows with the first command that needs more',
      {
        '#crossing = new Uint32Array(64)': ['64 → 63'],
        'if (this.#crossing.length < length)': [
          'this.#crossing.length < length → true',
          'this.#crossing.length < length → this.#crossing.length <= length',
        ],
      },
    ],
  ]),
  ...of('src/cmd-parser/written.ts', [
    [
      'where a search begins decides how long it takes, not what it finds',
      {
        'const LOW =': [
          'Math.floor(Math.random() * 0x80000000) * 2 + 1 → Math.floor(Math.random() * 0x80000000) * 2 - 1',
          'Math.floor(Math.random() * 0x80000000) * 2 → Math.floor(Math.random() * 0x80000000) / 2',
          'Math.random() * 0x80000000 → Math.random() / 0x80000000',
          '0x80000000 → 0x80000001',
          '0x80000000 → 0x7fffffff',
          '2 → 3',
          '2 → 1',
          '1 → 2',
          '1 → 0',
        ],
        'const HIGH =': [
          'Math.floor(Math.random() * 0x80000000) * 2 + 1 → Math.floor(Math.random() * 0x80000000) * 2 - 1',
          'Math.floor(Math.random() * 0x80000000) * 2 → Math.floor(Math.random() * 0x80000000) / 2',
          'Math.random() * 0x80000000 → Math.random() / 0x80000000',
          '0x80000000 → 0x80000001',
          '0x80000000 → 0x7fffffff',
          '2 → 3',
          '2 → 1',
          '1 → 2',
          '1 → 0',
        ],
        'const once = Math.imul': [
          'Math.imul(key, LOW) + Math.imul(Math.floor(key / 0x100000... → Math.imul(key, LOW) - Math.imul(Math.floor(key / 0x100000...',
          'key / 0x100000000 → key * 0x100000000',
          '0x100000000 → 0x100000001',
          '0x100000000 → 0xffffffff',
        ],
        'return Math.imul(once': [
          'Math.imul(once ^ (once >>> 15), HIGH) >>> shift → Math.imul(once ^ (once >>> 15), HIGH) << shift',
          'once ^ (once >>> 15) → once & (once >>> 15)',
          'once >>> 15 → once << 15',
          '15 → 16',
          '15 → 14',
        ],
        '#shift = Math.clz32(FIRST_ENTRIES': [
          'FIRST_ENTRIES * SLOTS - 1 → FIRST_ENTRIES * SLOTS + 1',
          'FIRST_ENTRIES * SLOTS → FIRST_ENTRIES / SLOTS',
          '1 → 2',
          '1 → 0',
        ],
        'this.#shift = Math.clz32(size': [
          'this.#shift = Math.clz32(size * SLOTS - 1); → removed',
          'size * SLOTS - 1 → size * SLOTS + 1',
          'size * SLOTS → size / SLOTS',
          '1 → 2',
          '1 → 0',
        ],
      },
    ],
    [
      'a search goes through the slots in any order, as long as it is always the same',
      {
        'slot = (slot + 1) & mask': ['slot + 1 → slot - 1', '1 → 2'],
      },
    ],
    [
      'more slots than are needed, or fewer free ones, change only how long a search takes',
      {
        'const SLOTS = 2;': ['2 → 3', '2 → 1'],
      },
    ],
    [
      'what is empty is cleared once more, or searched in vain',
      {
        'if (this.#count === 0) return;': ['this.#count === 0 → false'],
        'if (this.#count === 0) return -1;': ['this.#count === 0 → false'],
        'return this.#count > 0 &&': ['this.#count > 0 → true', 'this.#count > 0 → this.#count >= 0'],
      },
    ],
    [
      'pages beside the bounds are looked at in vain: each address is compared with the bounds',
      {
        'const last = Math.floor((end - 1)': ['end - 1 → end + 1', '1 → 2', '1 → 0', '4 → 3'],
        'for (let page = Math.floor(from': ['4 → 5'],
      },
    ],
    [
      'no address is there twice',
      {
        'if (address >= from && address < end': ['address < lowest → address <= lowest'],
      },
    ],
  ]),
  ...of('src/cmd-parser/jumps.ts', [
    [
      'where a search begins decides how long it takes, not what it finds',
      {
        'let slot = (Math.imul(from / 4': [
          'Math.imul(from / 4, 0x9e3779b1) ^ Math.imul(to / 4, 0x85e... → Math.imul(from / 4, 0x9e3779b1) & Math.imul(to / 4, 0x85e...',
          'from / 4 → from * 4',
          'to / 4 → to * 4',
          '4 → 5',
          '4 → 3',
          '0x9e3779b1 → 0x9e3779b2',
          '0x9e3779b1 → 0x9e3779b0',
          '0x85ebca6b → 0x85ebca6c',
          '0x85ebca6b → 0x85ebca6a',
        ],
        'const SHIFT =': ['32 → 33'],
      },
    ],
    [
      'a search goes through the slots in any order, as long as it is always the same',
      {
        'for (; this.#used[slot] === 1': ['slot + 1 → slot - 1', '1 → 2'],
      },
    ],
    [
      'what is empty is cleared once more',
      {
        'if (this.count === 0) return;': ['this.count === 0 → false'],
      },
    ],
  ]),
  ...of('src/cmd-parser/verdict-record.ts', [
    [
      'what is not there is of no batch',
      {
        'for (let i = patched.length - 3;': ['patched.length - 3 → patched.length + 3'],
        'for (let v = 0; v < this.#versions.length;': ['v < this.#versions.length → v <= this.#versions.length'],
      },
    ],
    [
      'a record that reaches into an earlier batch is not kept',
      { 'if (version < 0 || batch <': ['batch < this.#mark.batches → false'] },
    ],
    ['only a record that is open is asked', { 'if (key === undefined || !this.#kept)': ['key === undefined → false'] }],
    [
      'every record begins with values of its own',
      {
        'batches: 0,': ['0 → 1'],
        'segments: 0,': ['0 → 1'],
        'commands: 0,': ['0 → 1'],
        'dwords: 0,': ['0 → 1'],
        'patches: 0,': ['0 → 1'],
        'userInterrupts: 0,': ['0 → 1'],
        'notifies: 0,': ['0 → 1'],
        'unprivilegedBatches: 0,': ['0 → 1'],
        '#kept = false;': ['false → true'],
      },
    ],
  ]),
  ...of('src/cmd-parser/verdict-reuse.ts', [
    [
      'who has no cache does not ask',
      { 'if (cache === undefined) return false;': ['cache === undefined → false', 'false → true'] },
    ],
    [
      'a list without stores stores nothing',
      {
        'if (verdict.stores.length > 0)': [
          'verdict.stores.length > 0 → true',
          'verdict.stores.length > 0 → verdict.stores.length >= 0',
        ],
      },
    ],
    [
      'a record that is not open has no verdict',
      { 'if (!this.record.isOpen) return;': ['!this.record.isOpen → false'] },
    ],
    [
      'a verdict that is not used although it could be is judged anew, to the same end',
      {
        'other.sourceGmadr === batch.sourceGmadr &&': ['other.sourceGmadr === batch.sourceGmadr → true'],
        'other.level === batch.level &&': ['other.level === batch.level → true'],
        'other.perProcess === batch.perProcess': ['other.perProcess === batch.perProcess → true'],
        'if (first + batches.length > BATCH_BUDGET_COUNT)': [
          'first + batches.length > BATCH_BUDGET_COUNT → first + batches.length >= BATCH_BUDGET_COUNT',
        ],
      },
    ],
    [
      'every search begins with a key of its own',
      {
        'space: 0,': ['0 → 1'],
        'address: 0,': ['0 → 1'],
        'engine: 0,': ['0 → 1'],
        "trust: 'ring',": ["'ring' → 'mutated'"],
        'perProcess: false,': ['false → true'],
        'hwspPage: 0,': ['0 → 1'],
        'ranges: { lowStart: 0': [
          'row ranges: { lowStart: 0, lowEnd: 0, highStart: 0, highEnd: 0 } → dropped',
          '0 → 1',
        ],
      },
    ],
    [
      'every scan begins with a value of its own',
      {
        '^commands = 0;': ['0 → 1'],
        '#worth = false;': ['false → true'],
      },
    ],
  ]),
  ...of('src/cmd-parser/batch-copies.ts', [
    [
      'a buffer that is larger than it must be holds the same',
      {
        'if (from + dwords > batch.words.length) {': [
          'from + dwords > batch.words.length → from + dwords >= batch.words.length',
        ],
        'const grown = new Uint32Array(': ['2 → 3'],
      },
    ],
    ['every scan begins with a value of its own', { '^#copied = 0;': ['0 → 1'] }],
    [
      'a new buffer is as good as one that was kept',
      {
        'if (words === undefined) {': ['words === undefined → true'],
        'this.#buffers[index] = words;': ['this.#buffers[index] = words; → removed'],
        'this.#buffers[index] = grown;': ['this.#buffers[index] = grown; → removed'],
      },
    ],
    ['an address of a dword has a zero at bit 0', { 'const offset = (address & (PAGE_SIZE - 1)) >>> 2;': ['1 → 2'] }],
  ]),
  ...of('src/cmd-parser/scan-state.ts', [
    [
      'undefined says no as well',
      {
        'this.#survey = input.survey ?? false;': ['input.survey ?? false → input.survey'],
        'const copy = ': ['input.copy ?? false → input.copy'],
      },
    ],
    ['every scan ends with it', { '^#survey = false;': ['false → true'] }],
    [
      'the halves of an address come out of 32-bit words',
      { 'const gmadr = (lo >>> 0) + (hi >>> 0)': ['hi >>> 0 → hi'] },
    ],
    ['an address of a dword is no larger', { 'return address < 0x100000000 &&': ['0x100000000 → 0xffffffff'] }],
  ]),
  ...of('src/cmd-parser/memory-handlers.ts', [
    [
      'addresses are multiples of the alignment, own ranges are pages: a byte less ends with the same page',
      { 'const PERF_REPORT_BYTES': ['256 → 255'], 'const POST_SYNC_BYTES': ['8 → 7'] },
    ],
    [
      'a patch goes into an array of 32-bit words',
      {
        's.patch(at, (header & ~FLUSH_STORE_INDEX) >>> 0)': [
          '(header & ~FLUSH_STORE_INDEX) >>> 0 → header & ~FLUSH_STORE_INDEX',
        ],
        's.patch(at + 1, (s.hwspPage + offset + FLUSH_ADDRESS_GGTT) >>> 0)': [
          '(s.hwspPage + offset + FLUSH_ADDRESS_GGTT) >>> 0 → s.hwspPage + offset + FLUSH_ADDRESS_GGTT',
        ],
        's.patch(at + 1, ((flags & ~PC_STORE_INDEX) | PC_GGTT) >>> 0)': [
          '((flags & ~PC_STORE_INDEX) | PC_GGTT) >>> 0 → (flags & ~PC_STORE_INDEX) | PC_GGTT',
        ],
        's.patch(at + 2, (s.hwspPage + offset) >>> 0)': ['(s.hwspPage + offset) >>> 0 → s.hwspPage + offset'],
      },
    ],
    [
      'no row of MI_FLUSH_DW is three dwords long where an address takes two, and none two where it takes one',
      { 'if (length <= s.behindAddress())': ['length <= s.behindAddress() → length < s.behindAddress()'] },
    ],
  ]),
  ...of('src/cmd-parser/scanner.ts', [
    [
      'the table that a state begins with is never used: each scan sets that of its trust',
      { 'this.state = new ScanState(this.table(': ["'ring' → 'mutated'"] },
    ],
    [
      'where nothing jumps between batches, looking for a circle finds none',
      {
        'for (let k = 0; k < patchAt.length; k++) if': ['patchAt[k]!.batch >= 0 → true'],
        'if (jumps === 0) return;': ['jumps === 0 → false'],
        'let jumps = 0;': ['0 → 1'],
      },
    ],
    [
      'positions are integers; it is said for the compiler',
      { 'const end = s.end | 0;': ['s.end | 0 → s.end'], 'let at = s.at | 0;': ['s.at | 0 → s.at'] },
    ],
    ['it is set before it is read', { 'let header = 0;': ['0 → 1'], 'let entry = 0;': ['0 → 1'] }],
    [
      'nothing is above the span where it is one, and elsewhere no span reaches the difference',
      {
        'if ((field - (entry & FIELD8_MIN))': [
          '(entry >>> FIELD8_SPAN_SHIFT) & FIELD8_SPAN → entry >>> FIELD8_SPAN_SHIFT',
        ],
      },
    ],
    [
      'the handler finds nothing to look at either',
      {
        'if (action !== ACTION_PIPE_CONTROL': [
          'words[at + 1]! & PC_AUDITED → words[at + 1]!',
          'words[at + 1]! & PC_AUDITED → words[at + 1]! | PC_AUDITED',
          '0 → 1',
          'action !== ACTION_PIPE_CONTROL || (words[at + 1]! & PC_AUDITED) !== 0 → true',
        ],
      },
    ],
  ]),
  ...of('src/cmd-parser/control-flow-handlers.ts', [
    [
      'addresses are multiples of the alignment, own ranges are pages: a byte less ends with the same page',
      { "return s.audit(s.addressLow(at) & ~7, s.addressHigh(at), 8, 'reads')": ['8 → 7'] },
    ],
  ]),
  ...of('src/cmd-parser/types.ts', [
    ['every scan ends with it', { '^result.ok = false;': ['false → true', 'result.ok = false; → removed'] }],
  ]),
];
