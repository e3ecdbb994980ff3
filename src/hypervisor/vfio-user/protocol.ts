/**
 * The vfio-user protocol, version 0.0: numbers and layouts, as the specification has them (QEMU
 * docs/interop/vfio-user.rst and linux/vfio.h for the structures that it takes over). All fields are little-endian;
 * offsets of a command's fields count from the end of the message header.
 */
import { constants } from 'node:os';

const { errno } = constants;

export const COMMAND = {
  VERSION: 1,
  DMA_MAP: 2,
  DMA_UNMAP: 3,
  DEVICE_GET_INFO: 4,
  GET_REGION_INFO: 5,
  GET_REGION_IO_FDS: 6,
  GET_IRQ_INFO: 7,
  SET_IRQS: 8,
  REGION_READ: 9,
  REGION_WRITE: 10,
  DMA_READ: 11,
  DMA_WRITE: 12,
  DEVICE_RESET: 13,
  DIRTY_PAGES: 14,
  REGION_WRITE_MULTI: 15,
  DEVICE_FEATURE: 16,
  MIG_DATA_READ: 17,
  MIG_DATA_WRITE: 18,
} as const;
export type CommandName = keyof typeof COMMAND;

/** Names by number, for counters. */
export const COMMAND_NAMES: readonly (CommandName | undefined)[] = (() => {
  const names: (CommandName | undefined)[] = [];
  for (const [name, number] of Object.entries(COMMAND)) names[number] = name as CommandName;
  return names;
})();

export const HEADER = { ID: 0, COMMAND: 2, SIZE: 4, FLAGS: 8, ERROR: 12, BYTES: 16 } as const;

export const FLAG = { TYPE: 0xf, REPLY: 0x1, NO_REPLY: 0x10, ERROR: 0x20 } as const;

/** Longest message that any command of this device takes: REGION_WRITE_MULTI and capabilities fit many times over. */
export const LONGEST_MESSAGE = 0x10000;
/** Beyond the protocol's own largest transfer (1 MiB of data and its headers) a size is taken for lost framing. */
export const LONGEST_FRAME = 0x100000 + 0x1000;

export const VERSION = { MAJOR: 0, MINOR: 0 } as const;
/** What this side can do; each is offered only to a client that proposes it, and never more than it proposes. */
export const LIMITS = { max_msg_fds: 16, max_data_xfer_size: 4096, max_dma_maps: 65535, pgsizes: 4096 } as const;

export const DEVICE = { FLAGS_RESET: 1, FLAGS_PCI: 2, INFO_BYTES: 16 } as const;

export const REGION = { COUNT: 9, BAR0: 0, BAR2: 2, CONFIG: 7, INFO_BYTES: 32, READ_WRITE: 3, IO_BYTES: 16 } as const;
export const BAR0_BYTES = 0x1000000;
export const CONFIG_BYTES = 256;
/** One write within REGION_WRITE_MULTI: offset, region, count, eight bytes of data. */
export const WRITE_ONE_BYTES = 24;

export const IRQ = { COUNT: 5, INTX: 0, MSI: 1, INFO_BYTES: 16, SET_BYTES: 20 } as const;
/** EVENTFD | MASKABLE | AUTOMASKED for the level-triggered line; EVENTFD | NORESIZE for messages. */
export const IRQ_INFO_FLAGS = { INTX: 7, MSI: 9 } as const;
export const IRQ_SET = { NONE: 1, BOOL: 2, EVENTFD: 4, DATA: 7, MASK: 8, UNMASK: 16, TRIGGER: 32, ACTION: 56 } as const;

export const DMA = { READ: 1, WRITE: 2, MAP_BYTES: 32, UNMAP_BYTES: 24, UNMAP_ALL: 2 } as const;

/** Everything that is refused, by rule, with the errno that the client is answered. */
export const RULES = {
  'framing.size': errno.EINVAL,
  'framing.too-long': errno.EMSGSIZE,
  'message.too-long': errno.E2BIG,
  'message.type': errno.EINVAL,
  'message.unexpected-reply': errno.EINVAL,
  'message.flags': errno.EINVAL,
  'message.payload': errno.EINVAL,
  'message.descriptors': errno.EINVAL,
  'message.descriptors-lost': errno.EMFILE,
  'message.descriptors-stray': errno.EINVAL,
  'command.unknown': errno.ENOSYS,
  'command.unsupported': errno.EOPNOTSUPP,
  'command.direction': errno.EINVAL,
  'version.first': errno.EPROTO,
  'version.repeated': errno.EPROTO,
  'version.major': errno.EPROTONOSUPPORT,
  'version.capabilities': errno.EINVAL,
  'client.second': errno.EBUSY,
  'client.stalled': errno.ETIMEDOUT,
  'client.crowd': errno.EBUSY,
  'dma-map.argsz': errno.EINVAL,
  'dma-map.flags': errno.EINVAL,
  'dma-map.range': errno.EINVAL,
  'dma-map.overlap': errno.EEXIST,
  'dma-map.too-many': errno.ENOSPC,
  'dma-map.offset': errno.EINVAL,
  'dma-map.not-a-file': errno.EINVAL,
  'dma-map.beyond-file': errno.ENXIO,
  'dma-map.too-much': errno.ENOSPC,
  'dma-map.mmap': errno.EIO,
  'dma-unmap.argsz': errno.EINVAL,
  'dma-unmap.flags': errno.EINVAL,
  'dma-unmap.range': errno.EINVAL,
  'dma-unmap.too-many': errno.ENOSPC,
  'memory.truncated': errno.EFAULT,
  'device-info.argsz': errno.EINVAL,
  'region-info.argsz': errno.EINVAL,
  'region-info.index': errno.EINVAL,
  'irq-info.argsz': errno.EINVAL,
  'irq-info.index': errno.EINVAL,
  'set-irqs.argsz': errno.EINVAL,
  'set-irqs.flags': errno.EINVAL,
  'set-irqs.index': errno.EINVAL,
  'set-irqs.range': errno.EINVAL,
  'set-irqs.descriptors': errno.EINVAL,
  'set-irqs.not-an-eventfd': errno.EINVAL,
  'set-irqs.unsupported': errno.EOPNOTSUPP,
  'region.index': errno.EINVAL,
  'region.offset': errno.EINVAL,
  'region.size': errno.EINVAL,
  'region.alignment': errno.EINVAL,
  'write-multi.count': errno.EINVAL,
  internal: errno.EIO,
} as const satisfies Record<string, number>;
export type Rule = keyof typeof RULES;
