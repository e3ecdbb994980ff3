/**
 * The device's regions as messages reach them: checks each access, hands it to the trap sink, and says under which rule it
 * was refused. Nothing here allocates on the way of a BAR access.
 */
import type { Space, TrapSink } from '../port.js';
import { BAR0_BYTES, CONFIG_BYTES, REGION, type Rule } from './protocol.js';

export class Regions {
  /** Bytes by region index; 0: there is no such region. */
  readonly sizes = new Float64Array(REGION.COUNT);
  /** Set while a client is attached. */
  sink: TrapSink | null = null;

  constructor(apertureBytes: number, bar0Bytes = BAR0_BYTES) {
    this.sizes[REGION.BAR0] = bar0Bytes;
    this.sizes[REGION.BAR2] = apertureBytes;
    this.sizes[REGION.CONFIG] = CONFIG_BYTES;
  }

  /** The rule that a region access breaks, or null. */
  check(region: number, offset: number, count: number): Rule | null {
    if (region >= REGION.COUNT || this.sizes[region] === 0) return 'region.index';
    if (!(offset + count <= this.sizes[region]!)) return 'region.offset';
    if (region === REGION.CONFIG) return count === 0 ? 'region.size' : null;
    if (count !== 4 && count !== 8 && count !== 1 && count !== 2) return 'region.size';
    // Widths are powers of two. Offsets are below 2^32 here, as no region is larger.
    return (offset & (count - 1)) !== 0 ? 'region.alignment' : null;
  }

  /** Reads into `view` at `to`, which has room for `count` bytes and seven more. The access has been checked. */
  read(sink: TrapSink, region: number, offset: number, count: number, view: DataView, to: number): void {
    if (region === REGION.CONFIG && !isNatural(offset, count)) {
      // As one block: a VMM reads all of it when it attaches, and a guest may read across dwords.
      sink.readConfigBlock(offset, new Uint8Array(view.buffer, view.byteOffset + to, count));
      return;
    }
    view.setUint32(to, sink.read(region as Space, offset, count), true);
    if (count === 8) view.setUint32(to + 4, sink.readHi, true);
  }

  /** Writes `count` bytes of `view` from `from`. The access has been checked. @returns the rule that it breaks, or null */
  write(sink: TrapSink, region: number, offset: number, count: number, view: DataView, from: number): Rule | null {
    if (region === REGION.CONFIG && !isNatural(offset, count)) {
      if (count > 8) return 'region.size';
      // Byte enables of the dwords that it touches, one by one.
      for (let i = 0; i < count; i++) sink.write(region, offset + i, 1, view.getUint8(from + i), 0);
      return null;
    }
    let lo: number;
    let hi = 0;
    if (count === 4) {
      lo = view.getUint32(from, true);
    } else if (count === 8) {
      lo = view.getUint32(from, true);
      hi = view.getUint32(from + 4, true);
    } else {
      lo = count === 2 ? view.getUint16(from, true) : view.getUint8(from);
    }
    sink.write(region as Space, offset, count, lo, hi);
    return null;
  }
}

function isNatural(offset: number, count: number): boolean {
  return (count === 1 || count === 2 || count === 4 || count === 8) && (offset & (count - 1)) === 0;
}
