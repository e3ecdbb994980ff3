/** hw/commands: the command set as rows, and their compiled form. */
export * from './compile.js';
export * from './encodings.js';
export {
  COMMAND_HANDLERS,
  type CommandHandler,
  type CommandRow,
  type CostClass,
  E as ENGINE_SET,
  type LengthRule,
} from './types.js';
