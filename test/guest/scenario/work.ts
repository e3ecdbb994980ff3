/** Two guests at the same time: probe, work on all engines, driver reload, suspend to RAM; then one is killed and the other goes on. */
import type { Guest } from '../qemu.js';
import { bootAndProbe, checkKernelLog, execute, type Scene, type Seat, title } from './scene.js';

const SUBMISSIONS = 600;
const SUBMISSIONS_AFTER_RELOAD = 200;
const RELOADS = 2;
/** The clock has steps of a second. */
const ASLEEP_SECONDS = 3;
const DETACH_LIMIT_MS = 10_000;

async function work(scene: Scene, seat: Seat): Promise<Guest | undefined> {
  const { checks } = scene;
  const who = title(scene, seat);
  const guest = await bootAndProbe(scene, seat, 'work', false);
  if (guest === undefined) return undefined;
  const done = await checks.works(`${who}: works to the end`, async () => {
    await execute(scene, guest, who, SUBMISSIONS);
    const reload = await guest.step('reload', RELOADS);
    const reloads = reload.lines.filter((line) => line.includes('XENGT RELOADED')).length;
    const seen = reload.lines.slice(-5).join('\n        ');
    checks.check(`${who}: rmmod and insmod of i915 work twice`, reload.code === 0 && reloads === RELOADS, seen);
    await execute(scene, guest, `${who}, driver reloaded`, SUBMISSIONS_AFTER_RELOAD);
    const asleep = await guest.step('asleep', ASLEEP_SECONDS);
    checks.check(`${who}: sleeps (S3) and wakes`, asleep.code === 0, asleep.lines.slice(-5).join('\n        '));
    await execute(scene, guest, `${who}, awake again`, SUBMISSIONS_AFTER_RELOAD);
    await checkKernelLog(scene, guest, who);
    return guest;
  });
  if (done === undefined) guest.kill();
  return done;
}

async function oneIsKilled(
  scene: Scene,
  victim: Guest,
  victimSeat: Seat,
  other: Guest,
  otherSeat: Seat,
): Promise<void> {
  const { checks, mediator } = scene;
  const who = title(scene, otherSeat);
  // The kill comes in the middle of both guests' work.
  const victimWorks = victim.step('exec', 100_000).then(
    () => false,
    () => true,
  );
  const otherWorks = checks.works(`${who}: works on while ${victimSeat.name} is killed`, () =>
    execute(scene, other, `${who}, ${victimSeat.name} killed meanwhile`, SUBMISSIONS),
  );
  await new Promise((resolve) => setTimeout(resolve, 1500));
  checks.check(`${victimSeat.name} was at work when it was killed`, victim.running);
  victim.kill();
  checks.check(`${victimSeat.name} is gone after SIGKILL`, await victimWorks);
  await otherWorks;
  await checks.works(`the mediator frees what ${victimSeat.name} held and waits for its next guest`, () =>
    mediator.client.reaches(victimSeat.vgpuId, 'waiting', DETACH_LIMIT_MS),
  );
  await checks.works(`${who}: works after ${victimSeat.name} was killed`, async () => {
    await execute(scene, other, `${who}, alone`, SUBMISSIONS_AFTER_RELOAD);
    await checkKernelLog(scene, other, `${who}, at the end`);
  });
}

export async function worksAndOutlives(scene: Scene): Promise<void> {
  const { checks, mediator } = scene;
  const guests = await Promise.all(scene.seats.map((seat) => work(scene, seat)));
  const [first, second] = guests;
  const [firstSeat, secondSeat] = scene.seats;
  if (first !== undefined && second !== undefined && firstSeat !== undefined && secondSeat !== undefined) {
    checks.check('both guests are attached at the same time', first.running && second.running);
    await oneIsKilled(scene, second, secondSeat, first, firstSeat);
  } else {
    checks.check('one guest is killed and the other goes on', false, 'not tried: a guest did not get that far');
  }
  for (const guest of guests) {
    if (guest?.running) checks.check(`${guest.name} switches itself off`, await guest.powerOff());
  }
  for (const seat of scene.seats) {
    await checks.works(`the vGPU of ${seat.name} waits for its next guest`, () =>
      mediator.client.reaches(seat.vgpuId, 'waiting', DETACH_LIMIT_MS),
    );
  }
}
