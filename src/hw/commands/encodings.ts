/**
 * Headers and operand bits by name, for code that writes or executes commands. Opcode bits only: add the length field
 * (total dwords - 2) and operands. A test holds them equal to the rows.
 * Source: PRM SKL Vol 2a; bit positions as in public intel_gpu_commands.h.
 */
export const CMD = {
  MI_NOOP: 0x00000000,
  MI_SET_PREDICATE: 0x00800000,
  MI_USER_INTERRUPT: 0x01000000,
  MI_WAIT_FOR_EVENT: 0x01800000,
  MI_FLUSH: 0x02000000,
  MI_ARB_CHECK: 0x02800000,
  MI_REPORT_HEAD: 0x03800000,
  MI_ARB_ON_OFF: 0x04000000,
  MI_BATCH_BUFFER_END: 0x05000000,
  MI_PREDICATE: 0x06000000,
  MI_LOAD_SCAN_LINES_INCL: 0x09000000,
  MI_LOAD_SCAN_LINES_EXCL: 0x09800000,
  MI_DISPLAY_FLIP: 0x0a000000,
  MI_SET_CONTEXT: 0x0c000000,
  MI_MATH: 0x0d000000,
  MI_SEMAPHORE_SIGNAL: 0x0d800000,
  MI_SEMAPHORE_WAIT: 0x0e000000,
  MI_STORE_DATA_IMM: 0x10000000,
  MI_STORE_DATA_INDEX: 0x10800000,
  MI_LOAD_REGISTER_IMM: 0x11000000,
  MI_UPDATE_GTT: 0x11800000,
  MI_STORE_REGISTER_MEM: 0x12000000,
  MI_FLUSH_DW: 0x13000000,
  MI_CLFLUSH: 0x13800000,
  MI_REPORT_PERF_COUNT: 0x14000000,
  MI_LOAD_REGISTER_MEM: 0x14800000,
  MI_LOAD_REGISTER_REG: 0x15000000,
  MI_RS_STORE_DATA_IMM: 0x15800000,
  MI_LOAD_URB_MEM: 0x16000000,
  MI_STORE_URB_MEM: 0x16800000,
  MI_COPY_MEM_MEM: 0x17000000,
  MI_ATOMIC: 0x17800000,
  MI_BATCH_BUFFER_START: 0x18800000,
  MI_CONDITIONAL_BATCH_BUFFER_END: 0x1b000000,
  COLOR_BLT: 0x50000000,
  XY_FAST_COPY_BLT: 0x50800000,
  SRC_COPY_BLT: 0x50c00000,
  XY_SETUP_BLT: 0x40400000,
  XY_COLOR_BLT: 0x54000000,
  XY_SRC_COPY_BLT: 0x54c00000,
  STATE_BASE_ADDRESS: 0x61010000,
  PIPELINE_SELECT: 0x69040000,
  MEDIA_VFE_STATE: 0x70000000,
  MEDIA_OBJECT: 0x71000000,
  GPGPU_WALKER: 0x71050000,
  PIPE_CONTROL: 0x7a000000,
  '3DPRIMITIVE': 0x7b000000,
  MFX_WAIT: 0x68000000,
  VD_PIPELINE_FLUSH: 0x77800000,
} as const;

/** Global GTT select of MI_STORE_DATA_IMM, MI_*_REGISTER_MEM, MI_ATOMIC, MI_SEMAPHORE_WAIT, MI_CONDITIONAL_BATCH_BUFFER_END (dword 0). */
export const MI_USE_GGTT = 1 << 22;
/** MI_STORE_DATA_IMM: 64-bit data. */
export const SDI_QWORD = 1 << 21;
/** MI_STORE_DATA_IMM dword 1: the address is offset by the core's number times the operand size. */
export const SDI_CORE_MODE = 1;
/** MI_COPY_MEM_MEM dword 0. */
export const COPY_SOURCE_GGTT = 1 << 22;
export const COPY_DESTINATION_GGTT = 1 << 21;

/** MI_BATCH_BUFFER_START dword 0. */
export const BBS_PPGTT = 1 << 8;
/** Haswell: what is started has no privilege. */
export const BBS_NON_PRIVILEGED = 1 << 13;
export const BBS_PREDICATE = 1 << 15;
export const BBS_ADD_OFFSET = 1 << 16;
export const BBS_SECOND_LEVEL = 1 << 22;

/** MI_FLUSH_DW: dword 0. */
export const FLUSH_NOTIFY_BIT = 1 << 8;
export const FLUSH_POST_SYNC_SHIFT = 14;
export const FLUSH_STORE_INDEX = 1 << 21;
/** MI_FLUSH_DW dword 1: the address is in the GGTT. */
export const FLUSH_ADDRESS_GGTT = 1 << 2;

/** PIPE_CONTROL dword 1. */
export const PC_NOTIFY = 1 << 8;
export const PC_POST_SYNC_SHIFT = 14;
export const PC_STORE_INDEX = 1 << 21;
export const PC_POST_SYNC_LRI = 1 << 23;
export const PC_GGTT = 1 << 24;

/** Post-sync operation of MI_FLUSH_DW (bits 15:14 of dword 0) and PIPE_CONTROL (bits 15:14 of dword 1). */
export const POST_SYNC = { NONE: 0, WRITE_IMMEDIATE: 1, WRITE_DEPTH_COUNT: 2, WRITE_TIMESTAMP: 3 } as const;

/** MI_ATOMIC dword 0. */
export const ATOMIC_INLINE_DATA = 1 << 18;
export const ATOMIC_SIZE_SHIFT = 19;

/** MI_LOAD_REGISTER_IMM dword 0: bytes of the register that keep their value. Source: PRM SKL Vol 2a. */
export const LRI_BYTE_DISABLES = 0xf00;

/** MI_LOAD_REGISTER_*: bits of a register dword that select the register; the others must be zero. */
/** MI_ARB_ON_OFF: on. */
export const ARBITRATION_ENABLE = 1;
export const MI_REGISTER_MASK = 0x007ffffc;
