/**
 * The PVINFO page of one vGPU: what the guest is told about its part of the device, and what it tells back.
 * Source: public i915_pvinfo.h, i915_vgpu.c (the guest's side of the contract).
 */
import {
  CAP_FULL_PPGTT,
  CAP_HUGE_GTT,
  CAP_HWSP_EMULATION,
  G2V,
  type Grant,
  PVINFO,
  PVINFO_BASE,
  PVINFO_MAGIC_HI,
  PVINFO_MAGIC_LO,
  PVINFO_SIZE,
} from '../hw/index.js';

export interface PvinfoHost {
  readonly bank: Uint32Array;
  readonly grant: Grant;
  refuse(rule: string): void;
  failsafe(reason: string): void;
  displayReady(): void;
  /** @param pdps guest physical addresses: one (4 levels) or four (3 levels) */
  createPpgtt(levels: 3 | 4, pdps: number[]): void;
  destroyPpgtt(levels: 3 | 4, pdps: number[]): void;
}

const PAGE = PVINFO_BASE >>> 2;
/** The guest's part of the page starts here; below, writes are dropped. */
const GUEST_AREA = 0x800;
const RESERVED_FIRST = 0x808;
const RESERVED_LAST = 0x814;
const GUEST_AREA_END = 0x860;

export class Pvinfo {
  constructor(private readonly host: PvinfoHost) {}

  /** Fills the page; anything a guest wrote is forgotten. */
  populate(): void {
    const { bank, grant } = this.host;
    bank.fill(0, PAGE, PAGE + PVINFO_SIZE / 4);
    const set = (offset: number, value: number): void => {
      bank[PAGE + offset / 4] = value;
    };
    set(PVINFO.MAGIC, PVINFO_MAGIC_LO);
    set(PVINFO.MAGIC + 4, PVINFO_MAGIC_HI);
    set(PVINFO.VERSION, 1); // major 1, minor 0
    set(PVINFO.VGT_ID, grant.vgpu);
    set(PVINFO.CAPS, CAP_FULL_PPGTT | CAP_HWSP_EMULATION | CAP_HUGE_GTT);
    set(PVINFO.MAPPABLE_BASE, grant.lowStart);
    set(PVINFO.MAPPABLE_SIZE, grant.lowBytes);
    set(PVINFO.NONMAPPABLE_BASE, grant.highStart);
    set(PVINFO.NONMAPPABLE_SIZE, grant.highBytes);
    set(PVINFO.FENCE_NUM, grant.fenceCount);
    set(PVINFO.CURSOR_X_HOT, 0xffffffff);
    set(PVINFO.CURSOR_Y_HOT, 0xffffffff);
  }

  /** @param offset within the page */
  write(offset: number, value: number): void {
    const { host } = this;
    if (offset >= RESERVED_FIRST && offset <= RESERVED_LAST) {
      host.failsafe(`PVINFO: write to reserved 0x${offset.toString(16)}: the driver could not live with its resources`);
      return;
    }
    if (offset < GUEST_AREA || offset >= GUEST_AREA_END) {
      host.refuse('pvinfo-read-only');
      return;
    }
    host.bank[PAGE + offset / 4] = value;
    if (offset === PVINFO.G2V_NOTIFY) this.#notify(value);
    else if (offset === PVINFO.DISPLAY_READY && value !== 0) host.displayReady();
  }

  #notify(code: number): void {
    const { host } = this;
    switch (code) {
      case G2V.PPGTT_L3_CREATE:
        host.createPpgtt(3, this.#pdps(4));
        return;
      case G2V.PPGTT_L4_CREATE:
        host.createPpgtt(4, this.#pdps(1));
        return;
      case G2V.PPGTT_L3_DESTROY:
        host.destroyPpgtt(3, this.#pdps(4));
        return;
      case G2V.PPGTT_L4_DESTROY:
        host.destroyPpgtt(4, this.#pdps(1));
        return;
      case G2V.CONTEXT_CREATE:
      case G2V.CONTEXT_DESTROY:
        // Contexts are read at submission; nothing is kept between.
        return;
      default:
        host.refuse('pvinfo-g2v-code');
    }
  }

  #pdps(count: number): number[] {
    const pdps: number[] = [];
    for (let i = 0; i < count; i++) {
      const at = PAGE + PVINFO.PDP0_LO / 4 + 2 * i;
      pdps.push(this.host.bank[at + 1]! * 2 ** 32 + this.host.bank[at]!);
    }
    return pdps;
  }
}
