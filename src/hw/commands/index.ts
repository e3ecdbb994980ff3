/** hw/commands: the command set as rows, their compiled form, and the names of their fields. */
export * from './compile.js';
export * from './encodings.js';
export { type CommandField, fieldsOf } from './fields.js';
export {
  type AddressOperand,
  type BitPosition,
  COMMAND_HANDLERS,
  type CommandHandler,
  type CommandRow,
  type CostClass,
  E as ENGINE_SET,
  EXTENT_RULES,
  type ExtentRule,
  type LengthRule,
  type RegisterOperand,
} from './types.js';
