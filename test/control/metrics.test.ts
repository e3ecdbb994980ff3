import { afterEach, beforeEach, expect, test } from 'vitest';
import { Metrics } from '../../src/control/metrics/index.js';
import { ask, type Rig, startRig } from './rig.js';

let rig: Rig;
beforeEach(async () => {
  rig = await startRig({
    vgpus: [
      // Its number is 2: the replayed guest is made first.
      { name: 'a', vm: 'desk "one"', type: 'V5_8', transport: { kind: 'vfio-user', socket: '/a' } },
      { name: 'b', type: 'V5_4', transport: { kind: 'replay', file: '/b.xj', loop: true } },
    ],
  });
});
afterEach(() => rig.stop());

interface Family {
  readonly type: string;
  readonly help: string;
  readonly samples: Map<string, number>;
}

/** Reads the exposition format strictly: a line that is neither comment nor sample fails the test. */
function parse(text: string): Map<string, Family> {
  const help = new Map<string, string>();
  const families = new Map<string, Family>();
  for (const line of text.split('\n').filter((line) => line !== '')) {
    const comment = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line);
    if (comment?.[1] === 'HELP') {
      help.set(comment[2] ?? '', comment[3] ?? '');
      continue;
    }
    if (comment?.[1] === 'TYPE') {
      const name = comment[2] ?? '';
      expect(families.has(name), name).toBe(false);
      families.set(name, { type: comment[3] ?? '', help: help.get(name) ?? '', samples: new Map() });
      continue;
    }
    const sample = /^([a-z_][a-z0-9_]*)(\{(?:[a-z_]+="(?:[^"\\]|\\.)*",?)*\})? (\S+)$/i.exec(line);
    if (sample === null) throw new Error(`not a sample: ${line}`);
    const name = sample[1] ?? '';
    const family = families.get(name) ?? families.get(name.replace(/_(sum|count|bucket)$/, ''));
    if (family === undefined) throw new Error(`no TYPE before: ${line}`);
    family.samples.set(`${name}${sample[2] ?? ''}`, Number(sample[3]));
  }
  return families;
}

async function scrape(): Promise<Map<string, Family>> {
  const answer = await ask(rig.port, '/metrics');
  expect(answer.headers['content-type']).toMatch(/^text\/plain; version=0\.0\.4/);
  return parse(answer.text);
}

const samples = (families: Map<string, Family>, name: string) => Object.fromEntries(families.get(name)?.samples ?? []);

test('each family has its type and help', async () => {
  const families = await scrape();
  const types = Object.fromEntries(
    [...families].filter(([name]) => name.startsWith('xengt_')).map(([name, { type }]) => [name, type]),
  );
  expect(types).toEqual({
    xengt_vgpu_gpu_seconds_total: 'counter',
    xengt_vgpu_switching_seconds_total: 'counter',
    xengt_vgpu_waiting_seconds_total: 'counter',
    xengt_vgpu_waits_total: 'counter',
    xengt_vgpu_copied_bytes_total: 'counter',
    xengt_vgpu_longest_wait_seconds: 'gauge',
    xengt_vgpu_longest_run_seconds: 'gauge',
    xengt_device_faults_total: 'counter',
    xengt_vgpu_traps_total: 'counter',
    xengt_workloads_total: 'counter',
    xengt_vgpu_refusals_total: 'counter',
    xengt_vgpu_scan_verdicts_total: 'counter',
    xengt_vgpu_scan_verdict_bytes: 'gauge',
    xengt_vgpu_scan_commands_total: 'counter',
    xengt_vgpu_scan_bytes_total: 'counter',
    xengt_vgpu_switches_total: 'counter',
    xengt_vgpu_preemptions_total: 'counter',
    xengt_vgpu_traps_answered_total: 'counter',
    xengt_vgpu_trap_seconds: 'histogram',
    xengt_vgpu_resets_total: 'counter',
    xengt_vgpu_failsafe_total: 'counter',
    xengt_engine_resets_total: 'counter',
    xengt_vgpu_aperture_bytes: 'gauge',
    xengt_vgpu_hidden_bytes: 'gauge',
    xengt_vgpu_fences: 'gauge',
    xengt_device_aperture_bytes: 'gauge',
    xengt_device_hidden_bytes: 'gauge',
    xengt_device_fences: 'gauge',
    xengt_vgpu_xen_requests_total: 'counter',
    xengt_vgpu_xen_refusals_total: 'counter',
    xengt_vgpu_xen_table_writes_total: 'counter',
    xengt_vgpu_xen_protected_frames: 'gauge',
    xengt_vgpu_xen_given_up_frames: 'gauge',
    xengt_vgpu_xen_given_up_total: 'counter',
    xengt_vgpu_xen_windows_mapped_total: 'counter',
    xengt_vgpu_state: 'gauge',
    xengt_build_info: 'gauge',
    xengt_vgpu_unknown_registers: 'gauge',
    xengt_vgpu_shadow_pages: 'gauge',
    xengt_vgpu_interrupts_total: 'counter',
    xengt_vgpu_frames_total: 'counter',
    xengt_engine_busy_seconds_total: 'counter',
    xengt_engine_idle_seconds_total: 'counter',
    xengt_engine_switching_seconds_total: 'counter',
    xengt_engine_seconds_total: 'counter',
    xengt_isolation_violations_total: 'counter',
    xengt_unanswered_traps_total: 'counter',
    xengt_uptime_seconds: 'gauge',
  });
  for (const [name, { help }] of families) expect(help, name).toMatch(/\w/);
});

test('values are exactly what the mediator counted, labelled by vGPU name, VM and engine', async () => {
  rig.mediator.uptime = 20_000;
  rig.mediator.seconds.set(2, 0.1 + 0.2).set(1, 12345.678901234);
  rig.mediator.violations = 2;
  rig.mediator.unanswered = 1;
  const families = await scrape();
  expect(samples(families, 'xengt_vgpu_gpu_seconds_total')).toEqual({
    'xengt_vgpu_gpu_seconds_total{vgpu="a",vm="desk \\"one\\"",engine="RCS"}': 0.1 + 0.2,
    'xengt_vgpu_gpu_seconds_total{vgpu="a",vm="desk \\"one\\"",engine="BCS"}': 0.125,
    'xengt_vgpu_gpu_seconds_total{vgpu="b",vm="b",engine="RCS"}': 12345.678901234,
    'xengt_vgpu_gpu_seconds_total{vgpu="b",vm="b",engine="BCS"}': 0.125,
  });
  const traps = samples(families, 'xengt_vgpu_traps_total');
  expect(traps['xengt_vgpu_traps_total{vgpu="a",space="mmio",op="write"}']).toBe(20);
  expect(traps['xengt_vgpu_traps_total{vgpu="a",space="ggtt",op="read"}']).toBe(0);
  expect(samples(families, 'xengt_workloads_total')).toMatchObject({
    'xengt_workloads_total{vgpu="b",engine="RCS",result="complete"}': 7,
    'xengt_workloads_total{vgpu="b",engine="RCS",result="rejected"}': 1,
  });
  expect(samples(families, 'xengt_vgpu_refusals_total')).toMatchObject({
    'xengt_vgpu_refusals_total{vgpu="a",rule="ggtt-foreign"}': 3,
  });
  expect(samples(families, 'xengt_vgpu_scan_verdicts_total')).toMatchObject({
    'xengt_vgpu_scan_verdicts_total{vgpu="a",result="reused"}': 90,
    'xengt_vgpu_scan_verdicts_total{vgpu="a",result="judged"}': 10,
  });
  expect(samples(families, 'xengt_vgpu_scan_verdict_bytes')['xengt_vgpu_scan_verdict_bytes{vgpu="a"}']).toBe(20480);
  expect(samples(families, 'xengt_vgpu_scan_commands_total')['xengt_vgpu_scan_commands_total{vgpu="b"}']).toBe(1000);
  expect(samples(families, 'xengt_vgpu_scan_bytes_total')['xengt_vgpu_scan_bytes_total{vgpu="b"}']).toBe(16000);
  expect(samples(families, 'xengt_vgpu_unknown_registers')['xengt_vgpu_unknown_registers{vgpu="a"}']).toBe(2);
  expect(samples(families, 'xengt_isolation_violations_total')).toEqual({ xengt_isolation_violations_total: 2 });
  expect(samples(families, 'xengt_unanswered_traps_total')).toEqual({ xengt_unanswered_traps_total: 1 });
  expect(Object.keys(samples(families, 'xengt_build_info'))[0]).toMatch(
    /^xengt_build_info\{version="\d+\.\d+\.\d+",node="v\d+\.[\d.]+",platform="SKL"\}$/,
  );
});

test('guests of Xen have what their adapter did, and others have no such samples', async () => {
  await rig.mediator.createVgpu({ name: 'x', transport: { kind: 'xen', domid: 5 } });
  const families = await scrape();
  expect(samples(families, 'xengt_vgpu_xen_requests_total')).toEqual({
    'xengt_vgpu_xen_requests_total{vgpu="x",by="addon"}': 700,
    'xengt_vgpu_xen_requests_total{vgpu="x",by="mediator"}': 300,
  });
  expect(samples(families, 'xengt_vgpu_xen_refusals_total')).toEqual({
    'xengt_vgpu_xen_refusals_total{vgpu="x",rule="xen.bar-edge"}': 3,
  });
  for (const [name, value] of [
    ['xengt_vgpu_xen_table_writes_total', 12],
    ['xengt_vgpu_xen_protected_frames', 8],
    ['xengt_vgpu_xen_given_up_frames', 2],
    ['xengt_vgpu_xen_given_up_total', 4],
    ['xengt_vgpu_xen_windows_mapped_total', 30],
  ] as const) {
    expect(samples(families, name)).toEqual({ [`${name}{vgpu="x"}`]: value });
  }
});

test('a vGPU is in exactly one state', async () => {
  expect(samples(await scrape(), 'xengt_vgpu_state')).toEqual({
    'xengt_vgpu_state{vgpu="a",vm="desk \\"one\\"",state="waiting"}': 1,
    'xengt_vgpu_state{vgpu="a",vm="desk \\"one\\"",state="attached"}': 0,
    'xengt_vgpu_state{vgpu="a",vm="desk \\"one\\"",state="failsafe"}': 0,
    'xengt_vgpu_state{vgpu="b",vm="b",state="waiting"}': 0,
    'xengt_vgpu_state{vgpu="b",vm="b",state="attached"}': 1,
    'xengt_vgpu_state{vgpu="b",vm="b",state="failsafe"}': 0,
  });
});

test('busy, idle and switching add up to the time of each engine', async () => {
  rig.mediator.seconds.set(1, 30.25);
  const families = await scrape();
  for (const engine of ['RCS', 'BCS']) {
    const of = (name: string) => samples(families, name)[`${name}{engine="${engine}"}`] ?? Number.NaN;
    const sum =
      of('xengt_engine_busy_seconds_total') +
      of('xengt_engine_idle_seconds_total') +
      of('xengt_engine_switching_seconds_total');
    expect(sum).toBeCloseTo(of('xengt_engine_seconds_total'), 9);
  }
});

test('one scrape asks the mediator once, and many at the same time share', async () => {
  const asked = () => rig.mediator.calls.filter((call) => call === 'stats').length;
  await scrape();
  expect(asked()).toBe(1);
  const metrics = new Metrics(rig.mediator, '0.0.0');
  const texts = await Promise.all(Array.from({ length: 25 }, () => metrics.scrape()));
  expect(new Set(texts).size).toBe(1);
  expect(asked()).toBe(2);
});

test('a second scrape shows the totals again, not their sum, and a removed vGPU is gone', async () => {
  rig.mediator.seconds.set(2, 5);
  await scrape();
  rig.mediator.seconds.set(2, 6);
  await ask(rig.socket, '/v1/vgpus/b', { method: 'DELETE' });
  expect(samples(await scrape(), 'xengt_vgpu_gpu_seconds_total')).toEqual({
    'xengt_vgpu_gpu_seconds_total{vgpu="a",vm="desk \\"one\\"",engine="RCS"}': 6,
    'xengt_vgpu_gpu_seconds_total{vgpu="a",vm="desk \\"one\\"",engine="BCS"}': 0.125,
  });
});

test('the health of the process is there', async () => {
  const families = await scrape();
  expect([...families.keys()]).toEqual(
    expect.arrayContaining([
      'process_cpu_seconds_total',
      'process_resident_memory_bytes',
      'nodejs_eventloop_lag_seconds',
    ]),
  );
});

test('what a vGPU waited for and what switching for it took is told per engine', async () => {
  const families = await scrape();
  const [, waited] = Object.entries(samples(families, 'xengt_vgpu_waiting_seconds_total'))[0] ?? [];
  const [labels, longest] = Object.entries(samples(families, 'xengt_vgpu_longest_wait_seconds'))[0] ?? [];
  expect(waited).toBe(1.5);
  expect(longest).toBe(0.5);
  expect(labels).toMatch(/engine="RCS"/);
  expect(Object.values(samples(families, 'xengt_vgpu_switching_seconds_total'))).toContain(0.25);
  expect(Object.values(samples(families, 'xengt_vgpu_waits_total'))).toContain(7);
  expect(Object.values(samples(families, 'xengt_vgpu_copied_bytes_total')).slice(0, 4)).toEqual([4096, 8192, 640, 0]);
  expect(samples(families, 'xengt_device_faults_total')).toEqual({
    'xengt_device_faults_total{kind="lost-event"}': 2,
    'xengt_device_faults_total{kind="resubmitted"}': 1,
  });
});

test('trap service time is a histogram whose steps only grow', async () => {
  const times = samples(await scrape(), 'xengt_vgpu_trap_seconds');
  const of = (vgpu: string) =>
    Object.entries(times)
      .filter(([name]) => name.includes(`_bucket`) && name.includes(`vgpu="${vgpu}"`))
      .map(([name, value]) => [/le="([^"]+)"/.exec(name)?.[1], value]);
  expect(of('a').slice(0, 3)).toEqual([
    ['1e-7', 0],
    ['2e-7', 1],
    ['3e-7', 2],
  ]);
  expect(of('b').at(-1)).toEqual(['+Inf', 5]);
  expect(times['xengt_vgpu_trap_seconds_sum{vgpu="a"}']).toBe(0.25);
  expect(times['xengt_vgpu_trap_seconds_count{vgpu="b"}']).toBe(5);
});

test('who answered, what was reset, and who went to failsafe is counted', async () => {
  const families = await scrape();
  expect(samples(families, 'xengt_vgpu_traps_answered_total')).toMatchObject({
    'xengt_vgpu_traps_answered_total{vgpu="a",by="addon"}': 13,
    'xengt_vgpu_traps_answered_total{vgpu="a",by="mediator"}': 20,
  });
  expect(samples(families, 'xengt_vgpu_resets_total')).toMatchObject({
    'xengt_vgpu_resets_total{vgpu="b",what="device"}': 1,
    'xengt_vgpu_resets_total{vgpu="b",what="engine"}': 6,
  });
  expect(samples(families, 'xengt_vgpu_failsafe_total')).toMatchObject({ 'xengt_vgpu_failsafe_total{vgpu="a"}': 1 });
  expect(samples(families, 'xengt_engine_resets_total')).toEqual({
    'xengt_engine_resets_total{engine="RCS"}': 3,
    'xengt_engine_resets_total{engine="BCS"}': 0,
  });
  expect(Object.values(samples(families, 'xengt_vgpu_switches_total'))).toEqual([11, 11]);
  expect(Object.values(samples(families, 'xengt_vgpu_preemptions_total'))).toEqual([3, 3]);
});

test('what vGPUs hold of aperture, hidden memory and fences adds up with what is free to what the device has', async () => {
  const families = await scrape();
  const MIB = 2 ** 20;
  expect(samples(families, 'xengt_vgpu_aperture_bytes')).toEqual({
    'xengt_vgpu_aperture_bytes{vgpu="a"}': 64 * MIB,
    'xengt_vgpu_aperture_bytes{vgpu="b"}': 64 * MIB,
  });
  expect(samples(families, 'xengt_device_aperture_bytes')).toEqual({
    'xengt_device_aperture_bytes{state="used"}': (128 + 64 + 64) * MIB,
    'xengt_device_aperture_bytes{state="free"}': (1024 - 256) * MIB,
  });
  expect(samples(families, 'xengt_device_hidden_bytes')).toEqual({
    'xengt_device_hidden_bytes{state="used"}': 3 * 384 * MIB,
    'xengt_device_hidden_bytes{state="free"}': (3072 - 3 * 384) * MIB,
  });
  expect(samples(families, 'xengt_device_fences')).toEqual({
    'xengt_device_fences{state="used"}': 12,
    'xengt_device_fences{state="free"}': 20,
  });
});
