/** Commands that read or write registers: each register by the policy compiled for the engine. */
import { ENGINES, LRI_BYTE_DISABLES, MI_REGISTER_MASK, MI_USE_GGTT, RING } from '../hw/index.js';
import {
  DISCARD_REGISTER,
  KIND,
  REG_KIND_SHIFT,
  REG_PATCH,
  REG_READ,
  REG_WRITE,
  WINDOW_DWORDS,
} from './register-policy.js';
import { GO_ON, type Next, REFUSED, type ScanState } from './scan-state.js';

/**
 * The register that dword `at` names. Bits 1:0 are not looked at: registers are numbered by bits 22:2 (PRM volume 2a,
 * MI_LOAD_REGISTER_IMM), and i915's own parser takes such numbers too (gen9_exec_parse of IGT, unaligned-access).
 */
function registerAt(s: ScanState, at: number): number {
  return s.words[at]! & ~3;
}

/** Policy of a register that a command names, 0 where reserved bits are set or the register is outside the window. */
function policyOf(s: ScanState, register: number): number {
  if ((register & ~MI_REGISTER_MASK) !== 0) return 0;
  const dword = register >>> 2;
  return dword < WINDOW_DWORDS ? s.table.registers.access[dword]! : 0;
}

/** For a value that is not known when scanning: only registers that may hold anything. */
export function checkRegisterWrite(s: ScanState, register: number): Next {
  if ((policyOf(s, register) & REG_WRITE) !== 0) return GO_ON;
  return s.refuseRegister(
    'register-write',
    'may not be written with a value from memory or another register',
    register,
  );
}

function checkRegisterRead(s: ScanState, register: number): Next {
  if ((policyOf(s, register) & REG_READ) !== 0) return GO_ON;
  return s.refuseRegister('register-read', 'may not be read', register);
}

export function loadRegisterImm(s: ScanState, at: number, length: number): Next {
  if ((length & 1) === 0) return s.refuse('length', `${length} dwords`);
  const end = at + length;
  const partial = (s.words[at]! & LRI_BYTE_DISABLES) !== 0;
  for (let i = at + 1; i < end; i += 2) {
    const register = registerAt(s, i);
    const policy = policyOf(s, register);
    if ((policy & REG_WRITE) !== 0) continue;
    if (partial && policy !== 0) {
      return s.refuseRegister('register-value', 'would keep some bytes of a value that was not judged', register);
    }
    if ((policy & REG_PATCH) !== 0) {
      const write = s.onRegisterWrite;
      if (write === undefined) return s.refuseRegister('register-write', 'has no owner to ask', register);
      const value = s.words[i + 1]!;
      const really = write(register, value) >>> 0;
      if (really !== value) s.patch(i + 1, really);
      s.reuse.record.spoil();
      continue;
    }
    switch (policy >>> REG_KIND_SHIFT) {
      case KIND.DISCARD:
        // only what runs from its copy has such registers
        s.patch(i, DISCARD_REGISTER);
        break;
      case KIND.ROOT:
        if (loadRoot(s, i, end) !== GO_ON) return REFUSED;
        i += 2;
        break;
      case KIND.GMADR_PAGE: {
        const page = s.words[i + 1]! & ~0xfff;
        if (page !== 0 && !s.owns(page, 0, 0x1000)) {
          return s.refuseRegister(
            'register-value',
            `would hold GMADR 0x${(page >>> 0).toString(16)}, not an own page`,
            register,
          );
        }
        break;
      }
      case KIND.TRTT_ENABLE:
        // bit 0 enables, bit 1 says that the tables are found by per-process address
        if ((s.words[i + 1]! & 3) === 1)
          return s.refuseRegister('register-value', 'would walk physical tables', register);
        break;
      case KIND.VALUE: {
        const wrong = s.words[i + 1]! & s.table.registers.mustBeZero(register);
        if (wrong !== 0) {
          return s.refuseRegister('register-value', `would have bits 0x${(wrong >>> 0).toString(16)} set`, register);
        }
        break;
      }
      default:
        if (s.refuseRegister('register-write', 'is not open to commands', register) !== GO_ON) return REFUSED;
    }
  }
  return GO_ON;
}

/**
 * A page-table root is loaded by two adjacent pairs, one for each half, in either order. Both values are replaced by the
 * shadow's root, so that the guest's own tables are never walked by hardware.
 */
function loadRoot(s: ScanState, i: number, end: number): Next {
  const register = registerAt(s, i);
  const { root } = s;
  if (i + 2 >= end || registerAt(s, i + 2) !== (register ^ 4)) {
    return s.refuseRegister('register-value', 'loads half of a page-table root', register);
  }
  const pdp = (register - ENGINES[s.table.commands.engine]!.mmioBase - RING.PDP0_LDW) >>> 3;
  const upperFirst = (register & 4) !== 0;
  const lo = s.words[upperFirst ? i + 3 : i + 1]!;
  const hi = s.words[upperFirst ? i + 1 : i + 3]!;
  if (root === undefined || !root.translate(pdp, lo, hi)) {
    return s.refuseRegister('register-value', 'loads a page-table root that has no shadow', register);
  }
  s.reuse.record.spoil();
  s.patch(upperFirst ? i + 3 : i + 1, root.lo);
  s.patch(upperFirst ? i + 1 : i + 3, root.hi);
  return GO_ON;
}

export function storeRegisterMem(s: ScanState, at: number): Next {
  if (checkRegisterRead(s, registerAt(s, at + 1)) !== GO_ON) return REFUSED;
  if ((s.words[at]! & MI_USE_GGTT) === 0) return GO_ON;
  return s.audit(s.addressLow(at) & ~3, s.addressHigh(at), 4, 'writes');
}

export function loadRegisterMem(s: ScanState, at: number): Next {
  if (checkRegisterWrite(s, registerAt(s, at + 1)) !== GO_ON) return REFUSED;
  if ((s.words[at]! & MI_USE_GGTT) === 0) return GO_ON;
  return s.audit(s.addressLow(at) & ~3, s.addressHigh(at), 4, 'reads');
}

export function loadRegisterReg(s: ScanState, at: number): Next {
  if (checkRegisterRead(s, registerAt(s, at + 1)) !== GO_ON) return REFUSED;
  return checkRegisterWrite(s, registerAt(s, at + 2));
}
