/** Numbers that compiled tables hold for what is done with a command. */
import { describe, expect, it } from 'vitest';
import { displayFlip, userInterrupt } from '../../../src/cmd-parser/display-handlers.js';
import { ACTION_ALLOW, ACTION_PIPE_CONTROL, ACTIONS, actionOf } from '../../../src/cmd-parser/handlers.js';
import { pipeControl } from '../../../src/cmd-parser/memory-handlers.js';
import { loadRegisterImm } from '../../../src/cmd-parser/register-handlers.js';
import { COMMAND_HANDLERS } from '../../../src/hw/index.js';

const REJECT = ACTIONS[actionOf('refuse', 'reject')];

describe('an action', () => {
  it('is what its decision says', () => {
    expect(actionOf('plain', 'allow')).toBe(ACTION_ALLOW);
    expect(ACTIONS[actionOf('loadRegisterImm', 'audit')]).toBe(loadRegisterImm);
    expect(ACTIONS[actionOf('displayFlip', 'neutralise')]).toBe(displayFlip);
    expect(ACTIONS[actionOf('userInterrupt', 'defer')]).toBe(userInterrupt);
    expect(ACTIONS[ACTION_PIPE_CONTROL]).toBe(pipeControl);
    for (const handler of COMMAND_HANDLERS) {
      expect(ACTIONS[actionOf(handler, 'reject')]).toBe(REJECT);
      expect(actionOf(handler, 'allow')).toBe(ACTION_ALLOW);
    }
  });
  it('refuses where nobody knows how to carry a decision out', () => {
    expect(ACTIONS[actionOf('plain', 'audit')]).toBe(REJECT);
    expect(ACTIONS[actionOf('displayFlip', 'audit')]).toBe(REJECT);
    expect(ACTIONS[actionOf('plain', 'defer')]).toBe(REJECT);
    expect(ACTIONS[actionOf('loadRegisterImm', 'defer')]).toBe(REJECT);
  });
  it('takes out what nobody carries out for the guest', () => {
    expect(actionOf('loadScanLines', 'neutralise')).toBe(actionOf('waitForEvent', 'neutralise'));
    expect(ACTIONS[actionOf('waitForEvent', 'neutralise')]).not.toBe(REJECT);
  });
  it('is there for every number that an entry can hold', () => {
    expect(ACTIONS).toHaveLength(3 + COMMAND_HANDLERS.length);
    for (const action of ACTIONS) expect(action).toBeTypeOf('function');
    expect(ACTIONS.length).toBeLessThanOrEqual(64);
  });
});
