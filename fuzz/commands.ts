/**
 * Single commands of a case: those that reach memory, registers or the flow of control are built operand by operand, nearly
 * right, so that many are accepted; all others come from their rows, with any legal length.
 */
import { CMD, type CommandRow, ENGINES, MI_USE_GGTT, RING } from '../src/hw/index.js';
import type { Material } from './material.js';
import type { Program } from './program.js';
import type { Random } from './random.js';
import type { Values } from './values.js';

type Emit = (program: Program, random: Random, values: Values, material: Material) => void;

/** Operands beyond what most commands have are all alike: they cost time and find nothing. */
const MOST_OPERANDS = 40;

function operands(program: Program, values: Values, count: number): void {
  for (let i = 0; i < count; i++) program.put(values.small());
}

/** An address in as many dwords as the platform has for one. */
function address(program: Program, values: Values, low = values.address()): void {
  program.put(low);
  if (values.wide) program.put(values.high());
}

/** Length field of a command that has `dwords` in all on Gen8, `addresses` of them the upper halves of addresses. */
const len = (values: Values, dwords: number, addresses = 1): number => dwords - 2 - (values.wide ? 0 : addresses);

const ggtt = (values: Values): number => (values.global() ? MI_USE_GGTT : 0);
const flags = (random: Random, ...bits: number[]): number => {
  let set = 0;
  for (const bit of bits) if (random.chance(1, 3)) set |= 1 << bit;
  return set;
};

const storeData: Emit = (program, random, values) => {
  const wide = random.chance(1, 4);
  const data = (1 + random.below(random.chance(1, 8) ? 60 : 2)) * (wide ? 2 : 1);
  program.begin(CMD.MI_STORE_DATA_IMM | ggtt(values) | (wide ? 1 << 21 : 0) | (data + 1));
  // Haswell has a reserved dword before the address.
  if (!values.wide) program.put(0);
  address(program, values, (values.address() & ~3) | (random.chance(1, 16) ? 1 : 0));
  operands(program, values, data);
};

const loadImmediate: Emit = (program, random, values) => {
  const pairs = 1 + random.below(random.chance(1, 6) ? 12 : 2);
  program.begin(CMD.MI_LOAD_REGISTER_IMM | (random.chance(1, 24) ? 1 << (8 + random.below(4)) : 0) | (2 * pairs - 1));
  for (let i = 0; i < pairs; i++) {
    program.put(values.register());
    program.put(values.any());
  }
};

/** A page-table root, whole, half or out of order. */
const loadRoot: Emit = (program, random, values, material) => {
  const base = ENGINES[material.engine]!.mmioBase + RING.PDP0_LDW + random.below(4) * 8;
  const first = random.chance(1, 2) ? 4 : 0;
  program.begin(CMD.MI_LOAD_REGISTER_IMM | 3);
  program.put(base + first);
  program.put(values.any());
  program.put(base + (random.chance(15, 16) ? 4 - first : random.pick([0, 4, 8])));
  program.put(values.any());
};

const registerMemory =
  (header: number): Emit =>
  (program, _random, values) => {
    program.begin(header | ggtt(values) | len(values, 4));
    program.put(values.register());
    address(program, values);
  };

const registerRegister: Emit = (program, _random, values) => {
  program.begin(CMD.MI_LOAD_REGISTER_REG | 1);
  program.put(values.register());
  program.put(values.register());
};

const flush: Emit = (program, random, values) => {
  const long = random.chance(2, 3);
  const indexed = random.chance(1, 4) ? 1 << 21 : 0;
  program.begin(CMD.MI_FLUSH_DW | (random.below(4) << 14) | indexed | flags(random, 8, 18) | len(values, long ? 5 : 4));
  const low = indexed !== 0 ? index(random, values) : (values.address() & ~7) | (values.global() ? 4 : 0);
  address(program, values, low);
  operands(program, values, long ? 2 : 1);
};

const index = (random: Random, values: Values): number =>
  random.chance(1, 5) ? values.any() : (random.below(0x1020) & ~7) | (random.chance(1, 8) ? 4 : 0);

const pipeControl: Emit = (program, random, values) => {
  const long = random.chance(3, 4);
  const indexed = random.chance(1, 4) ? 1 << 21 : 0;
  const load = random.chance(1, 10) ? 1 << 23 : 0;
  const global = values.global() ? 1 << 24 : 0;
  program.begin(CMD.PIPE_CONTROL | len(values, long ? 6 : 5));
  program.put(((random.below(4) << 14) | indexed | load | global | flags(random, 0, 5, 8, 12, 18, 20)) >>> 0);
  address(
    program,
    values,
    load !== 0 ? values.register() : indexed !== 0 ? index(random, values) : values.address() & ~3,
  );
  operands(program, values, long ? 2 : 1);
};

const semaphore: Emit = (program, random, values) => {
  program.begin(CMD.MI_SEMAPHORE_WAIT | ggtt(values) | flags(random, 15) | (random.below(8) << 12) | 2);
  program.put(values.any());
  address(program, values);
};

const conditionalEnd: Emit = (program, random, values) => {
  const header = CMD.MI_CONDITIONAL_BATCH_BUFFER_END | ggtt(values) | flags(random, 19, 21);
  program.begin(header | (random.below(8) << 12) | len(values, 4));
  program.put(values.any());
  address(program, values);
};

const copy: Emit = (program, _random, values) => {
  program.begin(CMD.MI_COPY_MEM_MEM | (values.global() ? 1 << 21 : 0) | (values.global() ? 1 << 22 : 0) | 3);
  address(program, values);
  address(program, values);
};

const atomic: Emit = (program, random, values) => {
  const inline = random.chance(1, 2);
  const size = random.below(random.chance(1, 6) ? 4 : 2) << 19;
  const operation = random.below(random.chance(1, 8) ? 64 : 15) << 8;
  program.begin(CMD.MI_ATOMIC | ggtt(values) | size | operation | flags(random, 16) | (inline ? (1 << 18) | 9 : 1));
  address(program, values);
  if (inline) operands(program, values, 8);
};

const performance: Emit = (program, _random, values) => {
  program.begin(CMD.MI_REPORT_PERF_COUNT | len(values, 4));
  address(program, values, (values.address() & ~63) | (values.global() ? 1 : 0));
  program.put(values.small());
};

const math: Emit = (program, random) => {
  const steps = 1 + random.below(8);
  program.begin(CMD.MI_MATH | (steps - 1));
  for (let i = 0; i < steps; i++) {
    const operation = random.pick([0x080, 0x081, 0x480, 0x481, 0x100, 0x101, 0x102, 0x103, 0x104, 0x180, 0x580, 0]);
    program.put(((operation << 20) | (random.below(0x40) << 10) | random.below(0x40)) >>> 0);
  }
};

const flip: Emit = (program, random, values) => {
  const long = random.chance(1, 4);
  program.begin(CMD.MI_DISPLAY_FLIP | (random.below(8) << 19) | (random.below(32) << 8) | (long ? 2 : 1));
  program.put(values.any());
  program.put(values.address());
  if (long) program.put(values.address());
};

const single =
  (header: number, bits = 0): Emit =>
  (program, random) =>
    program.begin(header | (bits === 0 ? 0 : random.below(bits)));

/** A request as i915 submits it: flush, number, batch, breadcrumb, interrupt. */
const request: Emit = (program, random, values) => {
  if (!values.wide) return;
  program.command([CMD.PIPE_CONTROL | 4, (1 << 24) | (1 << 21) | (1 << 14) | (1 << 20), 0xd0, 0, 0, 0]);
  program.command([CMD.MI_STORE_DATA_IMM | MI_USE_GGTT | 2, values.own(), 0, 16]);
  program.command([CMD.MI_ARB_ON_OFF | 1]);
  program.command([CMD.MI_BATCH_BUFFER_START | (1 << 8) | 1, values.address(), random.below(0x10000)]);
  program.command([CMD.MI_ARB_ON_OFF]);
  program.command([CMD.MI_FLUSH_DW | (1 << 14) | 3, (values.own() & ~7) | 4, 0, 1, 0]);
  program.command([CMD.MI_USER_INTERRUPT]);
};

/** A fill or a copy with any geometry, small mostly: a large one only takes time. */
const blit: Emit = (program, random, values) => {
  const coordinate = (): number => {
    const most = random.chance(1, 12) ? 0x8000 : 64;
    return (random.below(most) << 16) | random.below(most);
  };
  const control = ((random.below(4) << 24) | (random.pick([0xcc, 0xf0, 0, 0xff]) << 16) | random.below(0x1000)) >>> 0;
  const colour = random.chance(1, 3);
  const header = colour
    ? CMD.XY_COLOR_BLT | 5
    : random.chance(1, 2)
      ? CMD.XY_SRC_COPY_BLT | 8
      : CMD.XY_FAST_COPY_BLT | 8;
  program.begin(header | (random.below(4) << 20) | flags(random, 11, 15));
  program.put(control);
  program.put(coordinate());
  program.put(coordinate() >>> 0);
  address(program, values);
  if (colour) {
    program.put(random.next());
    return;
  }
  program.put(coordinate());
  program.put(random.below(0x1000));
  address(program, values);
};

/** Any row with any of its lengths, sometimes with bits set that no operand should have. */
const fromRow: Emit = (program, random, values, material) => {
  const row: CommandRow = random.pick(material.rows);
  const { width, bias, totals } = row.length;
  const dwords =
    totals === undefined ? bias + (width === 0 ? 0 : random.below(Math.min(2 ** width, 20))) : random.pick(totals);
  const free = 32 - row.bits - width;
  const bits = free > 0 && random.chance(1, 3) ? (random.next() >>> (32 - free)) * 2 ** width : 0;
  program.begin((row.header + bits + (dwords - bias)) >>> 0);
  const count = Math.min(dwords - 1, MOST_OPERANDS);
  for (let i = 1; i <= count; i++) {
    const holds = row.addresses?.some(({ dword }) => dword === i) ?? false;
    program.put(holds ? values.address() : values.small());
  }
  operands(program, values, dwords - 1 - count);
};

const EVERYWHERE: readonly Emit[] = [
  storeData,
  storeData,
  loadImmediate,
  loadImmediate,
  loadRoot,
  registerMemory(CMD.MI_STORE_REGISTER_MEM),
  registerMemory(CMD.MI_LOAD_REGISTER_MEM),
  registerRegister,
  flush,
  flush,
  semaphore,
  conditionalEnd,
  copy,
  atomic,
  performance,
  math,
  flip,
  single(CMD.MI_NOOP),
  single(CMD.MI_USER_INTERRUPT),
  single(CMD.MI_SET_PREDICATE, 16),
  single(CMD.MI_WAIT_FOR_EVENT, 0x10000),
  single(CMD.MI_PREDICATE, 256),
  single(CMD.MI_ARB_CHECK),
  single(CMD.MI_REPORT_HEAD),
  request,
  fromRow,
  fromRow,
  fromRow,
  fromRow,
];
const RENDER: readonly Emit[] = [...EVERYWHERE, pipeControl, pipeControl, pipeControl];
const BLITTER: readonly Emit[] = [...EVERYWHERE, blit, blit, blit];
const BY_ENGINE: readonly (readonly Emit[])[] = [RENDER, BLITTER, EVERYWHERE, EVERYWHERE, EVERYWHERE];

export function emitCommand(program: Program, random: Random, values: Values, material: Material): void {
  random.pick(BY_ENGINE[material.engine]!)(program, random, values, material);
}
