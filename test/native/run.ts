/** `npm run test:native`: the addon's Xen part under AddressSanitizer and UBSan, on a machine without Xen. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BuildError, buildAddon, buildDriver, buildLibraries, sanitizerRuntime } from './build.js';

interface Count {
  passed: number;
  failed: number;
}

const say = (line: string) => process.stdout.write(`${line}\n`);

/** Runs a program that ends with "N passed, N failed"; what it says otherwise is shown. */
function run(what: string, program: string, args: readonly string[], env: Record<string, string>): Count {
  say(`\n== ${what}`);
  const { stdout, stderr, status, error } = spawnSync(program, args, {
    encoding: 'utf8',
    env: { ...process.env, ...env },
    timeout: 300_000,
    maxBuffer: 2 ** 26,
  });
  say(`${stdout ?? ''}${stderr ?? ''}`.trimEnd());
  const [, passed, failed] = /(\d+) passed, (\d+) failed\s*$/.exec(stdout ?? '') ?? [];
  const count = { passed: Number(passed ?? 0), failed: Number(failed ?? 0) };
  // A sanitizer's complaint ends the program, or its exit code.
  if (status !== 0 && count.failed === 0) {
    say(`FAIL ${what} ended with ${error?.message ?? status}`);
    count.failed = 1;
  }
  return count;
}

function main(): Count {
  const folder = mkdtempSync(join(tmpdir(), 'xengt-test-native-'));
  try {
    say('building the libraries, the driver and the addon with sanitizers');
    buildLibraries(folder);
    const driver = run('C++ driver', buildDriver(folder), [folder], { ASAN_OPTIONS: 'detect_leaks=1' });
    const checks = join(dirname(fileURLToPath(import.meta.url)), 'addon-checks.js');
    const addon = run('addon in Node', process.execPath, [checks, buildAddon(folder), folder], {
      LD_PRELOAD: sanitizerRuntime(),
      // Node itself frees nothing at its end; what the addon holds is counted by the host. SIGBUS is the addon's own.
      ASAN_OPTIONS: 'detect_leaks=0:handle_sigbus=0',
      XENGT_FAKE_XEN: join(folder, 'host'),
    });
    return { passed: driver.passed + addon.passed, failed: driver.failed + addon.failed };
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    say(error.message);
    return { passed: 0, failed: 1 };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const { passed, failed } = main();
say(`\n${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
