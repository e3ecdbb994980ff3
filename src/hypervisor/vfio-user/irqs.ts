/**
 * The two interrupts of the device, each an eventfd that the VMM gave: messages, and the level-triggered line, which
 * masks itself when it fires until the VMM has seen the guest's end of interrupt.
 */
import type { Native } from '../native.js';
import type { VfioUserCounters } from './counters.js';
import { IRQ, IRQ_SET, type Rule } from './protocol.js';

export class Irqs {
  readonly #native: Native;
  readonly #counters: VfioUserCounters;
  #msi = -1;
  #intx = -1;
  #asserted = false;
  #masked = false;

  constructor(native: Native, counters: VfioUserCounters) {
    this.#native = native;
    this.#counters = counters;
  }

  get hasMsi(): boolean {
    return this.#msi >= 0;
  }

  injectMsi(): void {
    if (this.#msi >= 0 && this.#native.signal(this.#msi) >= 0) this.#counters.msiSignalled++;
    else this.#counters.msiDropped++;
  }

  setIntx(asserted: boolean): void {
    const rising = asserted && !this.#asserted;
    this.#asserted = asserted;
    if (rising && this.#intx < 0) this.#counters.intxDropped++;
    this.#fire();
  }

  #fire(): void {
    if (!this.#asserted || this.#masked || this.#intx < 0) return;
    if (this.#native.signal(this.#intx) < 0) {
      this.#counters.intxDropped++;
      return;
    }
    this.#masked = true;
    this.#counters.intxSignalled++;
  }

  /**
   * SET_IRQS, its fields already checked for form. `fds` holds what came along; a descriptor that is kept is taken out
   * of it (-1). `on` says for DATA_BOOL whether the action is meant, and is true otherwise.
   */
  set(index: number, flags: number, count: number, on: boolean, fds: Int32Array, fdCount: number): Rule | null {
    const data = flags & IRQ_SET.DATA;
    const action = flags & IRQ_SET.ACTION;
    if (data === IRQ_SET.EVENTFD) {
      // A descriptor for mask or unmask is for kernels that handle interrupts without the VMM; it has another way.
      if (action !== IRQ_SET.TRIGGER) return 'set-irqs.unsupported';
      if (fdCount === 0) return this.#assign(index, -1);
      if (fdCount !== 1 || count !== 1) return 'set-irqs.descriptors';
      if (this.#native.adoptEventfd(fds[1]!) < 0) return 'set-irqs.not-an-eventfd';
      const fd = fds[1]!;
      fds[1] = -1;
      return this.#assign(index, fd);
    }
    if (fdCount !== 0) return 'set-irqs.descriptors';
    if (action === IRQ_SET.TRIGGER) {
      if (count === 0) return data === IRQ_SET.NONE ? this.#assign(index, -1) : 'set-irqs.range';
      if (on) this.#selfTest(index);
      return null;
    }
    if (index !== IRQ.INTX) return 'set-irqs.unsupported';
    if (on) {
      this.#masked = action === IRQ_SET.MASK;
      this.#fire();
    }
    return null;
  }

  /** The VMM asks for an interrupt itself, to see whether it arrives. */
  #selfTest(index: number): void {
    if (index === IRQ.MSI) this.injectMsi();
    else if (this.#intx >= 0 && this.#native.signal(this.#intx) >= 0) this.#counters.intxSignalled++;
    else this.#counters.intxDropped++;
  }

  #assign(index: number, fd: number): null {
    const old = index === IRQ.MSI ? this.#msi : this.#intx;
    if (old >= 0) this.#native.close(old);
    if (index === IRQ.MSI) {
      this.#msi = fd;
    } else {
      this.#intx = fd;
      this.#masked = false;
      this.#fire();
    }
    return null;
  }

  close(): void {
    this.#assign(IRQ.MSI, -1);
    this.#assign(IRQ.INTX, -1);
  }
}
