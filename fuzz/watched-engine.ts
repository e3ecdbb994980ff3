/**
 * An engine of the model that also says what code without privilege asked for and did not get. Hardware is not always as
 * strict as the model (the blitter of Gen9 writes any register, CVE-2019-0155), so that what was judged must not even ask.
 */
import { Engine } from '../src/gpu/model/engine.js';
import type { RegisterWitness } from './witness.js';

export class WatchedEngine extends Engine {
  witness: RegisterWitness | null = null;

  override loadRegister(offset: number, value: number): void {
    if (!this.privileged) this.witness?.attemptWrite(this, offset);
    super.loadRegister(offset, value);
  }

  override global(bit: number): boolean {
    if (bit !== 0 && !this.privileged) this.witness?.attemptGlobal(this);
    return super.global(bit);
  }
}
