/**
 * Media and GPGPU pipelines of the render engine. The length field is 16 bits wide, that of the GPGPU commands 8. Their
 * operands are offsets from the bases of STATE_BASE_ADDRESS.
 * Source: PRM HSW and SKL Vol 2a "MEDIA_*", "GPGPU_WALKER"; Mesa genxml gen75, gen8, gen9.
 */
import { P, P_BDW_UP } from '../platform.js';
import { type CommandRow, E, field, gfx } from './types.js';

const media = gfx({ engines: E.RCS }, field(16));

export const MEDIA_COMMANDS: readonly CommandRow[] = [
  media(0x7000, 'MEDIA_VFE_STATE', { platforms: P.HSW, length: field(16, 8) }),
  media(0x7000, 'MEDIA_VFE_STATE', { platforms: P_BDW_UP, length: field(16, 9) }),
  media(0x7001, 'MEDIA_CURBE_LOAD', { length: field(16, 4) }),
  media(0x7002, 'MEDIA_INTERFACE_DESCRIPTOR_LOAD', { length: field(16, 4) }),
  media(0x7003, 'MEDIA_GATEWAY_STATE'),
  media(0x7004, 'MEDIA_STATE_FLUSH', { length: field(16, 2) }),
  media(0x7005, 'MEDIA_POOL_STATE'),
  // Inline data behind the operands.
  media(0x7100, 'MEDIA_OBJECT', { cost: 'media' }),
  media(0x7102, 'MEDIA_OBJECT_PRT', { cost: 'media', length: field(16, 16) }),
  media(0x7103, 'MEDIA_OBJECT_WALKER', { cost: 'media' }),
  media(0x7104, 'GPGPU_OBJECT', { cost: 'gpgpu', platforms: P.HSW, length: field(8, 8) }),
  media(0x7105, 'GPGPU_WALKER', { cost: 'gpgpu', platforms: P.HSW, length: field(8, 11) }),
  media(0x7105, 'GPGPU_WALKER', { cost: 'gpgpu', platforms: P_BDW_UP, length: field(8, 15) }),
  media(0x7106, 'MEDIA_OBJECT_GRPID', { cost: 'media', platforms: P_BDW_UP }),
];
