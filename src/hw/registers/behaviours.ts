/**
 * The behaviours that register rows may name: what a read or a write does beyond the columns of its row. A row can only
 * name what is declared here, and a policy only compiles when each named behaviour has an implementation.
 *
 * What needs no code is a column instead: power wells, PLL and DBUF enables mirror their request (`mirror`), hotplug and
 * error status are write-1-to-clear (`w1c`), straps are read-only with a reset value.
 */
export const READ_BEHAVIOURS = {
  deviceRead: 'counter or progress of the engine: the real one while this vGPU owns it, its own copy otherwise',
  pvinfoRead: 'a field of the PVINFO page; shows that the guest knows it is virtual',
  fenceRead: 'a fence of the own range',
  dpllStatus: 'lock bits follow the enables of the PLLs',
  gmbus: 'GMBUS I2C state machine',
  gpio: 'level of a pair of I2C pins',
  pipeDsl: 'scanline that the pipe is at',
  frameCount: 'frames since the pipe was enabled',
  paletteData: 'entry of the fine palette that the index names',
  crcResult: 'CRC of the picture that the pipe has sent last',
  sdeIsr: 'live hotplug state of the PCH',
} as const;

export const WRITE_BEHAVIOURS = {
  // interrupts
  irqImr: 'mask; unmasked pending events are delivered',
  irqIer: 'enable; summary bits are computed again',
  irqIir: 'write 1 to clear, summary bits are computed again',
  irqMaster: 'only bit 31 changes; re-evaluates',
  // submission
  elspWrite: 'fourth dword submits two contexts',
  ringModeWrite: 'run-list and PPGTT enables',
  ringTailWrite: 'submits ring contents where the engine is in ring mode',
  ringStopWrite: 'a stopped ring hands nothing more over; idle once nothing of it runs',
  hwsPgaWrite: 'status page: zero or one page of the own graphics memory',
  csbPtrWrite: 'read and write pointer of the context status buffer',
  forceNonpriv: 'slot that opens one register to unprivileged batches: allowed registers only',
  csfeChicken: 'preemption chickens that a vGPU cannot have',
  // reset, power, memory
  gdrst: 'resets engines of this vGPU; reads 0 when finished',
  tlbControl: 'invalidates the TLB of an engine at its next switch-in; reads 0 at once',
  forcewake: 'masked request copied to the acknowledge register',
  pcode: 'mailbox to the power control unit: finished at once',
  gamwEcho: '64K page enable: all engines or none',
  trtte: 'tiled-resource translation: virtual addressing only',
  lcpll: 'display clock PLL of Gen8: lock and clock source follow the request',
  dmaCtrl: 'GuC firmware load: refused, a vGPU has no GuC',
  pvinfoWrite: 'PVINFO: notifications of the guest',
  fenceWrite: 'a fence of the own range',
  sbiCtl: 'sideband transaction: finished at once',
  // display
  pipeConf: 'pipe on and off; vblank timer',
  ddiBufCtl: 'port on and off; idle bit',
  dpTpCtl: 'link training pattern; idle-done bit',
  paletteData: 'entry of the fine palette that the index names',
  crcControl: 'CRC of each picture of a pipe: on and off',
  pfWrite: 'panel fitter and scalers: pipe scaling only',
  priSurf: 'flip of the primary plane',
  sprSurf: 'flip of a sprite plane',
  curBase: 'cursor image and, on arming, its position',
  flipMessage: 'flip asked for by a command',
  auxCtl: 'DisplayPort AUX transaction',
  gmbus: 'GMBUS I2C state machine',
  gpio: 'drives or releases a pair of I2C pins',
  ppControl: 'panel power sequence: finished at once',
} as const;

export type ReadBehaviour = keyof typeof READ_BEHAVIOURS;
export type WriteBehaviour = keyof typeof WRITE_BEHAVIOURS;
