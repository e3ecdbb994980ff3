/** A mediator with no GPU behind it: it keeps the list of vGPUs, answers with set numbers and remembers what it was asked. */
import { XengtError } from '../../src/base/index.js';
import {
  EDIDS,
  edidFault,
  edidFromHex,
  edidToHex,
  monitorName,
  OUTPUT_PORTS,
  type OutputPort,
  preferredMode,
} from '../../src/hw/index.js';
import {
  type DeviceResources,
  type MediatorApi,
  type MediatorStats,
  type PortChange,
  type PortInfo,
  type ScanProcesses,
  type Screen,
  type ShareChange,
  TRAP_STEPS,
  type VgpuInfo,
  type VgpuSnapshot,
  type VgpuSpec,
  type VgpuStats,
} from '../../src/mediator/api.js';

export class FakeMediator implements MediatorApi {
  readonly calls: string[] = [];
  readonly specs: VgpuSpec[] = [];
  missing: string | null = null;
  violations = 0;
  unanswered = 0;
  uptime = 100;
  /** A fault that the next call throws, whatever it is. */
  fault: Error | null = null;
  #infos: VgpuInfo[] = [];
  #nextId = 1;
  readonly seconds = new Map<number, number>();
  readonly screens = new Map<number, Screen>();

  #called(name: string): void {
    this.calls.push(name);
    const { fault } = this;
    this.fault = null;
    if (fault !== null) throw fault;
  }

  #info(id: number): VgpuInfo {
    const info = this.#infos.find((vgpu) => vgpu.id === id);
    if (info === undefined) throw new XengtError('XENGT_E_NOT_FOUND', `No vGPU ${id}`);
    return info;
  }

  async createVgpu(spec: VgpuSpec): Promise<VgpuInfo> {
    this.#called('createVgpu');
    this.specs.push(spec);
    if (spec.type === 'V5_1')
      throw new XengtError('XENGT_E_NO_SPACE', 'Low graphics memory: 512 MiB wanted, 384 MiB free');
    if (this.#infos.some((vgpu) => vgpu.name === spec.name)) {
      throw new XengtError('XENGT_E_EXISTS', `A vGPU "${spec.name}" exists`);
    }
    if (spec.transport.kind === 'replay' && spec.transport.file.includes('damaged')) {
      throw new XengtError('XENGT_E_JOURNAL', 'The journal ends in the middle of an event');
    }
    const id = this.#nextId++;
    const info: VgpuInfo = {
      id,
      name: spec.name,
      vm: spec.vm ?? spec.name,
      type: spec.type ?? (spec.lowMiB === undefined ? 'V5_8' : 'custom'),
      lowMiB: spec.lowMiB ?? 64,
      highMiB: spec.highMiB ?? 384,
      fences: spec.fences ?? 4,
      weight: spec.weight ?? 2,
      cap: spec.cap ?? 100,
      priority: spec.priority ?? 0,
      monitor: spec.monitor ?? true,
      ports: OUTPUT_PORTS.map((port) => {
        const own = { edid: DEFAULT_EDID, connected: port === 'D' && (spec.monitor ?? true) };
        const setup: PortChange = spec.ports?.find((one) => one.port === port) ?? {};
        const none = { port, type: 'DP', connected: false, edid: '', monitor: '', preferred: '', pipe: null } as const;
        return changed(none, { ...own, ...setup });
      }),
      scanProcesses: spec.scanProcesses ?? 'needed',
      pageTables: spec.pageTables ?? 'auto',
      transport: spec.transport,
      ioreqServer: spec.transport.kind === 'xen' ? 2 : null,
      state: spec.transport.kind === 'replay' ? 'attached' : 'waiting',
      reason: null,
      lastDropped: null,
      mode: spec.transport.kind === 'replay' ? { width: 4, height: 2, refreshHz: 60 } : null,
    };
    this.#infos.push(info);
    this.seconds.set(id, 0);
    if (info.mode !== null) this.screens.set(id, picture(4, 2, id));
    return info;
  }

  async removeVgpu(id: number): Promise<void> {
    this.#called('removeVgpu');
    const info = this.#info(id);
    if (info.name === 'held') throw new XengtError('XENGT_E_BUSY', 'vGPU "held" has a guest');
    this.#infos = this.#infos.filter((vgpu) => vgpu !== info);
  }

  async vgpus(): Promise<VgpuInfo[]> {
    this.#called('vgpus');
    return [...this.#infos];
  }

  async types() {
    this.#called('types');
    return [
      { name: 'V5_4', lowMiB: 128, highMiB: 512, fences: 4, weight: 4, resolution: '1920x1200', availableInstances: 5 },
      { name: 'V5_8', lowMiB: 64, highMiB: 384, fences: 4, weight: 2, resolution: '1024x768', availableInstances: 7 },
    ];
  }

  /** Of an aperture of 1 GiB, handed out from the bottom, in the order of creation. */
  async resources(): Promise<DeviceResources> {
    this.#called('resources');
    return this.#resources();
  }

  #resources(): DeviceResources {
    const held = [
      { holder: 'host', lowStartMiB: 0, lowMiB: 128, highStartMiB: 1024, highMiB: 384, fenceStart: 0, fences: 4 },
    ];
    for (const { name, lowMiB, highMiB, fences } of this.#infos) {
      const below = held.at(-1)!;
      held.push({
        holder: name,
        lowStartMiB: below.lowStartMiB + below.lowMiB,
        lowMiB,
        highStartMiB: below.highStartMiB + below.highMiB,
        highMiB,
        fenceStart: below.fenceStart + below.fences,
        fences,
      });
    }
    return { apertureMiB: 1024, ggttMiB: 4096, fences: 32, held };
  }

  async stats(): Promise<MediatorStats> {
    this.#called('stats');
    const vgpus = this.#infos.map((info): VgpuStats => {
      const rcs = this.seconds.get(info.id) ?? 0;
      return {
        id: info.id,
        name: info.name,
        vm: info.vm,
        state: info.state,
        gpuSeconds: { RCS: rcs, BCS: 0.125 },
        engineTime: {
          RCS: {
            switchingSeconds: 0.25,
            switches: 11,
            breaks: 3,
            longestRunSeconds: 0.25,
            waits: { seconds: 1.5, count: 7, longestSeconds: 0.5, medianSeconds: 0.125, p99Seconds: 0.375 },
          },
        },
        workloads: { RCS: { complete: 7, rejected: 1 } },
        traps: { mmio: { read: 10, write: 20 }, ggtt: { read: 0, write: 3 } },
        trapsAnswered: { addon: 13, mediator: 20 },
        trapTimes: { upTo: TRAP_STEPS.map((_, step) => Math.min(step, 4)), count: 5, seconds: 0.25 },
        resets: { device: 1, engine: 6 },
        timesInFailsafe: 1,
        unknownRegisters: 2,
        refusals: { 'ggtt-foreign': 3 },
        scan: {
          commands: 1000,
          dwords: 4000,
          reused: 90,
          judged: 10,
          changed: 4,
          evicted: 1,
          verdicts: 5,
          verdictBytes: 20480,
        },
        copied: { contextIn: 4096, contextOut: 8192, ring: 640, batches: 0 },
        xen:
          info.transport.kind === 'xen'
            ? {
                requests: 1000,
                plainReads: 700,
                trackedWrites: 12,
                protectedFrames: 8,
                givenUpFrames: 2,
                timesGivenUp: 4,
                windowsMapped: 30,
                refusals: { 'xen.bar-edge': 3 },
              }
            : null,
        shadowPages: 42,
        interrupts: 9,
        frames: 60,
      };
    });
    const busy = vgpus.reduce((sum, vgpu) => sum + (vgpu.gpuSeconds.RCS ?? 0), 0);
    const blits = vgpus.length * 0.125;
    return {
      device: 'model GPU',
      platform: 'SKL',
      uptimeSeconds: this.uptime,
      engines: [
        {
          name: 'RCS',
          busySeconds: busy,
          idleSeconds: this.uptime - busy - 0.5,
          switchingSeconds: 0.5,
          totalSeconds: this.uptime,
          resets: 3,
        },
        {
          name: 'BCS',
          busySeconds: blits,
          idleSeconds: this.uptime - blits,
          switchingSeconds: 0,
          totalSeconds: this.uptime,
          resets: 0,
        },
      ],
      vgpus,
      resources: this.#resources(),
      deviceFaults: { lostEvents: 2, resubmitted: 1 },
      isolationViolations: this.violations,
      unansweredTraps: this.unanswered,
    };
  }

  async timelines(since: number) {
    this.#called('timelines');
    const runs = this.#infos.map(({ id }) => [id, this.uptime - 1, this.uptime - 0.5] as const);
    return { now: this.uptime, engines: [{ name: 'RCS', runs: runs.filter(([, , to]) => to > since) }] };
  }

  async unknownRegisters(id: number) {
    this.#called('unknownRegisters');
    this.#info(id);
    return [{ offset: 0x4400, name: null, reads: 1, writes: 2 }];
  }

  async auditPageTables(id: number) {
    this.#called('auditPageTables');
    if (this.#info(id).state !== 'attached') return null;
    return { tables: 4, entries: 2048, present: 3, differing: 0, first: null };
  }

  async isolation() {
    this.#called('isolation');
    return { violations: this.violations, last: [] };
  }

  async screen(id: number): Promise<Screen | null> {
    this.#called('screen');
    this.#info(id);
    return this.screens.get(id) ?? null;
  }

  async setMonitor(id: number, connected: boolean): Promise<void> {
    this.#called('setMonitor');
    const info = this.#info(id);
    const ports = info.ports.map((one) => (one.port === 'D' ? { ...one, connected } : one));
    this.#infos = this.#infos.map((vgpu) => (vgpu === info ? { ...vgpu, monitor: connected, ports } : vgpu));
  }

  async setPort(id: number, port: OutputPort, change: PortChange): Promise<void> {
    this.#called('setPort');
    const info = this.#info(id);
    const ports = info.ports.map((one) => (one.port === port ? changed(one, change) : one));
    const monitor = ports.some((one) => one.port === 'D' && one.connected);
    this.#infos = this.#infos.map((vgpu) => (vgpu === info ? { ...vgpu, ports, monitor } : vgpu));
  }

  async setScanProcesses(id: number, asked: ScanProcesses): Promise<void> {
    this.#called('setScanProcesses');
    const info = this.#info(id);
    if (info.name === 'recorded') throw new XengtError('XENGT_E_BUSY', 'The journal of "recorded" is being written');
    this.#infos = this.#infos.map((vgpu) => (vgpu === info ? { ...vgpu, scanProcesses: asked } : vgpu));
  }

  async setShare(id: number, change: ShareChange): Promise<void> {
    this.#called('setShare');
    const info = this.#info(id);
    this.#infos = this.#infos.map((vgpu) => (vgpu === info ? { ...vgpu, ...change } : vgpu));
  }

  /** As if it had hung the engine once too often. */
  fail(id: number): void {
    this.#infos = this.#infos.map((vgpu) => (vgpu.id === id ? { ...vgpu, state: 'failsafe', reason: 'hung' } : vgpu));
  }

  async revive(id: number): Promise<void> {
    this.#called('revive');
    const info = this.#info(id);
    if (info.state !== 'failsafe') throw new XengtError('XENGT_E_NO_FAILSAFE', `vGPU "${info.name}" is in no failsafe`);
    this.#infos = this.#infos.map((vgpu) => (vgpu === info ? { ...vgpu, state: 'attached', reason: null } : vgpu));
  }

  async reset(id: number): Promise<void> {
    this.#called('reset');
    const info = this.#info(id);
    if (info.name === 'recorded') throw new XengtError('XENGT_E_BUSY', 'The journal of "recorded" is being written');
  }

  async snapshot(id: number): Promise<VgpuSnapshot> {
    this.#called('snapshot');
    this.#info(id);
    return {
      platform: 'SKL',
      uptimeSeconds: this.uptime,
      config: `8680${'00'.repeat(252)}0a0b`,
      registers: [{ offset: 0x2030, name: 'RING_TAIL_RCS', value: 0x40 }],
      ggtt: { pages: 4096, mapped: 7 },
      addressSpaces: [[0x1000], [0x2000, 0x3000]],
      engines: [{ name: 'RCS', held: 2 }],
    };
  }

  async nativeStatus(): Promise<string | null> {
    this.#called('nativeStatus');
    return this.missing;
  }

  async stop(): Promise<void> {
    this.#called('stop');
  }
}

const DEFAULT_EDID = edidToHex(EDIDS['1024x768']);

/** A port after a change, as the real one would be. */
function changed(port: PortInfo, change: PortChange): PortInfo {
  const next = { ...port, ...change };
  const edid = edidFromHex(next.edid) ?? new Uint8Array(0);
  const fault = edidFault(edid);
  if (fault !== null)
    throw new XengtError('XENGT_E_CONFIG', `The EDID for port ${port.port} can not be used: ${fault}`);
  return { ...next, monitor: monitorName(edid), preferred: preferredMode(edid) };
}

/** A picture of which every pixel is different. */
export function picture(width: number, height: number, seed: number): Screen {
  const rgba = new Uint8Array(width * height * 4);
  for (let at = 0; at < rgba.length; at++) rgba[at] = at % 4 === 3 ? 0 : (at * 7 + seed * 31) & 0xff;
  return { width, height, rgba };
}
