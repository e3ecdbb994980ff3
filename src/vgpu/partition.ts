/**
 * Who has what of the graphics address space and the fences: low graphics memory (the aperture, which the CPU can map),
 * high graphics memory (hidden, from the aperture's end to the GGTT's end) and fence registers. Nothing is ever shared.
 */
import { XengtError } from '../base/index.js';
import { HOST_RESERVE, SMALLEST_HIGH_MIB, SMALLEST_LOW_MIB, TOTAL_FENCES, type VgpuType } from '../hw/index.js';

const MIB = 0x10_0000;

export interface PartitionOptions {
  readonly apertureBytes: number;
  /** Graphics address space that the GGTT covers, the aperture included. */
  readonly ggttBytes: number;
  readonly totalFences?: number;
  /** What the mediator keeps of each; default HOST_RESERVE. */
  readonly hostReserve?: { readonly lowMiB: number; readonly highMiB: number; readonly fences: number };
}

export interface SliceRequest {
  /** Named in refusals to others. */
  readonly holder: string;
  readonly lowMiB: number;
  readonly highMiB: number;
  readonly fences: number;
}

/** What was given: byte addresses of graphics memory, and fence numbers. */
export interface PartitionSlice {
  readonly holder: string;
  readonly lowStart: number;
  readonly lowBytes: number;
  readonly highStart: number;
  readonly highBytes: number;
  readonly fenceStart: number;
  readonly fenceCount: number;
}

interface Extent {
  readonly start: number;
  readonly size: number;
  readonly holder: string;
}

/** One resource: a row of units, of which pieces are taken. Pieces start at whole units, so sizes are their alignment. */
class Resource {
  /** Taken pieces by start; the host's is never given back. */
  #taken: Extent[] = [];
  constructor(
    readonly name: string,
    /** What a unit is called in messages. */
    readonly unit: string,
    readonly first: number,
    readonly end: number,
    readonly host: number,
  ) {
    if (host > 0) this.take({ start: first, size: host, holder: 'host' });
  }

  /** Free pieces by start. */
  holes(): { start: number; size: number }[] {
    const holes: { start: number; size: number }[] = [];
    let at = this.first;
    for (const { start, size } of [...this.#taken, { start: this.end, size: 0 }]) {
      if (start > at) holes.push({ start: at, size: start - at });
      at = start + size;
    }
    return holes;
  }

  isFree(start: number, size: number): boolean {
    return this.holes().some((hole) => start >= hole.start && start + size <= hole.start + hole.size);
  }

  /** Start of the smallest hole that fits, -1 when none does. */
  bestFit(size: number): number {
    let best = { start: -1, size: Number.POSITIVE_INFINITY };
    for (const hole of this.holes()) if (hole.size >= size && hole.size < best.size) best = hole;
    return best.start;
  }

  /** How many pieces of one size fit now. */
  fits(size: number): number {
    if (size <= 0) return Number.POSITIVE_INFINITY;
    return this.holes().reduce((sum, hole) => sum + Math.floor(hole.size / size), 0);
  }

  take(extent: Extent): void {
    this.#taken.push(extent);
    this.#taken.sort((a, b) => a.start - b.start);
  }

  giveBack(start: number): void {
    this.#taken = this.#taken.filter((extent) => extent.start !== start);
  }

  /** Most that one piece could have in an empty device. */
  get mostEver(): number {
    return this.end - this.first - this.host;
  }

  /** Why a piece of `size` cannot be had: how much is missing, who holds the rest. */
  shortage(size: number): string {
    const holes = this.holes();
    const largest = Math.max(0, ...holes.map((hole) => hole.size));
    const free = holes.reduce((sum, hole) => sum + hole.size, 0);
    const pieces = free > largest ? ` (${free} ${this.unit} in all, in pieces)` : '';
    const held = this.#taken.map((extent) => `${extent.holder} ${extent.size} ${this.unit}`).join(', ');
    return (
      `${this.name}: ${size} ${this.unit} asked, ${largest} ${this.unit} free${pieces}, ` +
      `${size - largest} ${this.unit} missing; held by ${held || 'nobody'}`
    );
  }
}

export class Partition {
  readonly #low: Resource;
  readonly #high: Resource;
  readonly #fences: Resource;
  readonly #slices = new Set<PartitionSlice>();

  constructor(options: PartitionOptions) {
    const host = options.hostReserve ?? HOST_RESERVE;
    const aperture = options.apertureBytes / MIB;
    const ggtt = options.ggttBytes / MIB;
    const fences = options.totalFences ?? TOTAL_FENCES;
    if (!(Number.isInteger(aperture) && Number.isInteger(ggtt) && host.lowMiB <= aperture)) {
      throw new XengtError(
        'XENGT_E_CONFIG',
        `an aperture of ${aperture} MiB cannot hold the host's ${host.lowMiB} MiB`,
      );
    }
    if (host.highMiB > ggtt - aperture) {
      throw new XengtError('XENGT_E_CONFIG', `a GGTT of ${ggtt} MiB cannot hold the host's ${host.highMiB} MiB`);
    }
    if (host.fences > fences) {
      throw new XengtError('XENGT_E_CONFIG', `of ${fences} fences the host cannot keep ${host.fences}`);
    }
    this.#low = new Resource('low graphics memory (aperture)', 'MiB', 0, aperture, host.lowMiB);
    this.#high = new Resource('high graphics memory', 'MiB', aperture, ggtt, host.highMiB);
    this.#fences = new Resource('fences', 'fences', 0, fences, host.fences);
  }

  /** What the mediator keeps for itself. */
  get host(): PartitionSlice {
    const [low, high, fences] = [this.#low, this.#high, this.#fences];
    return slice('host', low.first, low.host, high.first, high.host, fences.first, fences.host);
  }

  get apertureMiB(): number {
    return this.#low.end;
  }

  get ggttMiB(): number {
    return this.#high.end;
  }

  /** All of the device's, the host's included. */
  get fences(): number {
    return this.#fences.end;
  }

  get slices(): readonly PartitionSlice[] {
    return [...this.#slices];
  }

  /**
   * Takes a slice of each resource, or nothing of any.
   * @throws XengtError XENGT_E_CONFIG for a size that no device of this kind could give, XENGT_E_NO_SPACE when it is taken
   */
  allocate(request: SliceRequest): PartitionSlice {
    const { holder, lowMiB, highMiB, fences } = request;
    checkSize('lowMiB', lowMiB, SMALLEST_LOW_MIB, this.#low.mostEver);
    checkSize('highMiB', highMiB, SMALLEST_HIGH_MIB, this.#high.mostEver);
    checkSize('fences', fences, 0, this.#fences.mostEver);
    const low = this.#low.bestFit(lowMiB);
    const high = this.#high.bestFit(highMiB);
    const fence = fences === 0 ? this.#fences.first : this.#fences.bestFit(fences);
    const short: string[] = [];
    if (low < 0) short.push(this.#low.shortage(lowMiB));
    if (high < 0) short.push(this.#high.shortage(highMiB));
    if (fence < 0) short.push(this.#fences.shortage(fences));
    if (short.length > 0) throw new XengtError('XENGT_E_NO_SPACE', `no room for "${holder}": ${short.join('. ')}`);
    this.#low.take({ start: low, size: lowMiB, holder });
    this.#high.take({ start: high, size: highMiB, holder });
    if (fences > 0) this.#fences.take({ start: fence, size: fences, holder });
    const given = slice(holder, low, lowMiB, high, highMiB, fence, fences);
    this.#slices.add(given);
    return given;
  }

  /**
   * Takes exactly this slice, as a journal needs it: the addresses are part of what its guest does.
   * @throws XengtError XENGT_E_NO_SPACE when any of it is taken or outside of the device
   */
  allocateAt(given: PartitionSlice): PartitionSlice {
    const pieces: [Resource, number, number][] = [
      [this.#low, given.lowStart / MIB, given.lowBytes / MIB],
      [this.#high, given.highStart / MIB, given.highBytes / MIB],
      [this.#fences, given.fenceStart, given.fenceCount],
    ];
    for (const [resource, start, size] of pieces) {
      if (size > 0 && !resource.isFree(start, size)) {
        const what = `${resource.name} from ${start} on, ${size} ${resource.unit}, is not free`;
        throw new XengtError('XENGT_E_NO_SPACE', `no room for "${given.holder}" at its place: ${what}`);
      }
    }
    for (const [resource, start, size] of pieces) if (size > 0) resource.take({ start, size, holder: given.holder });
    this.#slices.add(given);
    return given;
  }

  /** @throws XengtError XENGT_E_NOT_FOUND for a slice that is not out */
  free(given: PartitionSlice): void {
    if (!this.#slices.delete(given)) {
      throw new XengtError('XENGT_E_NOT_FOUND', `"${given.holder}" holds no such part of the device`);
    }
    this.#low.giveBack(given.lowStart / MIB);
    this.#high.giveBack(given.highStart / MIB);
    if (given.fenceCount > 0) this.#fences.giveBack(given.fenceStart);
  }

  /** How many more vGPUs of a type fit now. */
  availableInstances(type: Pick<VgpuType, 'lowMiB' | 'highMiB' | 'fences'>): number {
    return Math.min(this.#low.fits(type.lowMiB), this.#high.fits(type.highMiB), this.#fences.fits(type.fences));
  }
}

function slice(
  holder: string,
  low: number,
  lowMiB: number,
  high: number,
  highMiB: number,
  fenceStart: number,
  fenceCount: number,
): PartitionSlice {
  return {
    holder,
    lowStart: low * MIB,
    lowBytes: lowMiB * MIB,
    highStart: high * MIB,
    highBytes: highMiB * MIB,
    fenceStart,
    fenceCount,
  };
}

function checkSize(key: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new XengtError('XENGT_E_CONFIG', `${key}: ${value} is not allowed; a whole number from ${least} to ${most} is`);
}
