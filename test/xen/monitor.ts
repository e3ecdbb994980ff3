/** QEMU's monitor over its QMP socket: what the emulated processor and its interrupt controllers look like from outside. */
import { once } from 'node:events';
import { createConnection } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';

/** Several looks, so that one that runs in circles is told from one that waits. */
const LOOKS = 6;
const BETWEEN_LOOKS_MS = 500;
const ASKED = ['info registers', 'info lapic', 'info pic'];

/** The answers to `commands` of the human monitor, each under its name. */
async function ask(socketPath: string, rounds: number, commands: readonly string[]): Promise<string> {
  const socket = createConnection(socketPath);
  await once(socket, 'connect');
  const replies = createInterface({ input: socket })[Symbol.asyncIterator]();
  const execute = async (request: object): Promise<string> => {
    socket.write(`${JSON.stringify(request)}\n`);
    for (;;) {
      const { done, value } = await replies.next();
      if (done === true) return '(the monitor is closed)';
      const reply: unknown = JSON.parse(value);
      if (typeof reply !== 'object' || reply === null) continue;
      if ('error' in reply) return JSON.stringify(reply.error);
      if ('return' in reply) return typeof reply.return === 'string' ? reply.return : '';
    }
  };
  const parts: string[] = [];
  await execute({ execute: 'qmp_capabilities' });
  for (let round = 0; round < rounds; round++) {
    for (const command of commands) {
      const answer = await execute({ execute: 'human-monitor-command', arguments: { 'command-line': command } });
      parts.push(`--- ${command}\n${answer.replaceAll('\r', '')}`);
    }
    await delay(BETWEEN_LOOKS_MS);
  }
  socket.destroy();
  return parts.join('\n');
}

/** The state of a machine that does not answer otherwise; never throws, it is called when things have gone wrong. */
export async function lookAtProcessor(socketPath: string): Promise<string> {
  try {
    return await Promise.race([
      ask(socketPath, LOOKS, ASKED),
      delay(20_000, '(the monitor did not answer either)', { ref: false }),
    ]);
  } catch (cause) {
    return `(no answer from the monitor: ${String(cause)})`;
  }
}
