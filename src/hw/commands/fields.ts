/**
 * Named bit fields of commands, for people: what a printed command stream calls its operands. The scanner and the model
 * do not read them. A command whose layout differs between platforms has an entry for each, as it has a row for each.
 */
import { XengtError } from '../../base/index.js';
import { COMMANDS } from './compile.js';
import { BLITTER_FIELDS } from './fields-blitter.js';
import { DEPTH_FIELDS } from './fields-depth.js';
import { GEOMETRY_FIELDS } from './fields-geometry.js';
import { MEDIA_FIELDS } from './fields-media.js';
import { MI_FIELDS } from './fields-mi.js';
import { PIPELINE_FIELDS } from './fields-pipeline.js';
import { PIXEL_FIELDS } from './fields-pixel.js';
import type { CommandField, FieldRow } from './fields-types.js';
import { VIDEO_FIELDS } from './fields-video.js';
import type { CommandRow } from './types.js';

export type { CommandField } from './fields-types.js';

const ALL: readonly FieldRow[] = [
  ...MI_FIELDS,
  ...PIPELINE_FIELDS,
  ...GEOMETRY_FIELDS,
  ...PIXEL_FIELDS,
  ...DEPTH_FIELDS,
  ...MEDIA_FIELDS,
  ...VIDEO_FIELDS,
  ...BLITTER_FIELDS,
];

const NONE: readonly CommandField[] = [];
/** Layouts of a row, oldest platform first: most rows have one, those that changed meaning but not form have more. */
const BY_ROW = new Map<CommandRow, FieldRow[]>();
for (const entry of ALL) {
  for (const name of entry.commands) {
    const rows = COMMANDS.filter((row) => row.name === name && (row.platforms & entry.platforms) !== 0);
    if (rows.length === 0) throw new XengtError('XENGT_E_TABLE', `Fields of ${name}: there is no such command.`);
    for (const row of rows) {
      const layouts = BY_ROW.get(row) ?? [];
      if (layouts.some((other) => (other.platforms & entry.platforms) !== 0)) {
        throw new XengtError('XENGT_E_TABLE', `Fields of ${name}: two layouts on one platform.`);
      }
      BY_ROW.set(row, [...layouts, entry]);
    }
  }
}

const lastDword = ({ dword, high }: CommandField): number => dword + (high >>> 5);

/**
 * The fields of a command, in the order of their dwords; empty where none are named.
 * @param dwords length of the command at hand: repeated fields are given as often as they fit, and what lies beyond is left
 * out. Without it, each field is given once.
 * @param platforms bit of the platform, for commands whose layout changed within a row; without it, the latest
 */
export function fieldsOf(row: CommandRow, dwords?: number, platforms = row.platforms): readonly CommandField[] {
  const layout = BY_ROW.get(row)?.findLast((entry) => (entry.platforms & platforms) !== 0);
  const fields = layout?.fields ?? NONE;
  if (dwords === undefined) return fields;
  const present: CommandField[] = [];
  for (const field of fields) {
    const { every, ...once } = field;
    if (every === undefined) present.push(field);
    else for (let dword = field.dword; dword < dwords; dword += every) present.push({ ...once, dword });
  }
  return present.filter((field) => lastDword(field) < dwords).sort((a, b) => a.dword - b.dword);
}
