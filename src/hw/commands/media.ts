/**
 * Media and GPGPU pipelines of the render engine. The length field is 16 bits wide, GPGPU_WALKER's 8.
 * Source: PRM SKL Vol 2a "MEDIA_*", "GPGPU_WALKER".
 */
import { P_GEN9 } from '../platform.js';
import { type CommandRow, E, field, gfx } from './types.js';

const media = gfx({ engines: E.RCS }, field(16));

export const MEDIA_COMMANDS: readonly CommandRow[] = [
  media(0x7000, 'MEDIA_VFE_STATE'),
  media(0x7001, 'MEDIA_CURBE_LOAD'),
  media(0x7002, 'MEDIA_INTERFACE_DESCRIPTOR_LOAD'),
  media(0x7003, 'MEDIA_GATEWAY_STATE'),
  media(0x7004, 'MEDIA_STATE_FLUSH'),
  media(0x7005, 'MEDIA_POOL_STATE'),
  media(0x7100, 'MEDIA_OBJECT', { cost: 'media' }),
  media(0x7102, 'MEDIA_OBJECT_PRT', { cost: 'media' }),
  media(0x7103, 'MEDIA_OBJECT_WALKER', { cost: 'media' }),
  media(0x7105, 'GPGPU_WALKER', { length: field(8), cost: 'gpgpu' }),
  media(0x7106, 'MEDIA_OBJECT_GRPID', { cost: 'media', platforms: P_GEN9 }),
];
