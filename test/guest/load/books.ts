/** The mediator's books after a run, and the guests' kernel logs. */
import type { Checks } from '../checks.js';
import { complaints } from '../kernel-log.js';
import type { Mediator } from '../mediator.js';
import type { Member } from './crowd.js';

const TOLERANCE = 0.01;

export async function checkBooks(checks: Checks, mediator: Mediator): Promise<void> {
  await checks.works("the mediator's books can be read", async () => {
    const { client } = mediator;
    const { violations, last } = await client.isolation();
    checks.check('0 isolation violations', violations === 0, `${violations}: ${last.slice(0, 5).join('\n        ')}`);
    const { unansweredTraps } = await client.stats();
    checks.check('0 unanswered traps', unansweredTraps === 0, `${unansweredTraps}`);
    for (const { name, busySeconds, idleSeconds, switchingSeconds, totalSeconds } of await client.engines()) {
      const off = (busySeconds + idleSeconds + switchingSeconds) / totalSeconds - 1;
      checks.check(
        `${name}: busy + idle + switching = engine time within 1 %`,
        Math.abs(off) <= TOLERANCE,
        `${busySeconds} + ${idleSeconds} + ${switchingSeconds} of ${totalSeconds}`,
      );
    }
  });
}

/** What a kernel complained of, but for lines that the scene expects. */
export async function checkKernelLog(checks: Checks, member: Member, expected: RegExp | null): Promise<void> {
  await checks.works(`${member.name}: the kernel log can be read`, async () => {
    const wrong = complaints(await member.guest.dmesg()).filter((line) => expected === null || !expected.test(line));
    checks.check(
      `${member.name}: ${expected === null ? 'no WARN, BUG, *ERROR* or hang' : 'nothing but its own hangs'} in the kernel log`,
      wrong.length === 0,
      wrong.slice(0, 5).join('\n        '),
    );
  });
}

/** Guests that are still there: kernel log, poweroff. */
export async function sayGoodbye(checks: Checks, members: readonly Member[]): Promise<void> {
  for (const member of members) {
    if (!member.guest.running) continue;
    await checkKernelLog(checks, member, null);
    checks.check(`${member.name}: the guest switches itself off`, await member.guest.powerOff());
  }
}
