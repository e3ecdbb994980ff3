import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { XengtError } from '../../../src/base/index.js';
import { loadNative, type Native } from '../../../src/hypervisor/native.js';
import { RULES, type VfioUserOptions, VfioUserServer } from '../../../src/hypervisor/vfio-user/index.js';
import { COMMAND } from '../../../src/hypervisor/vfio-user/protocol.js';
import { Waiter } from '../../../src/hypervisor/waiter.js';
import { closeFile, fields, MIB, mapBody, message, openFds, Rig, readBody, versionBody } from './rig.js';

const native = loadNative();
const S = 1e9;

/** Files under the rig's folder that this process has mapped. */
const mapped = (rig: Rig): number =>
  readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .filter((line) => line.includes(rig.folder)).length;

describe.runIf(native)('a vfio-user server', () => {
  const rigs: Rig[] = [];
  const newRig = (more?: ConstructorParameters<typeof Rig>[1]): Rig => {
    const rig = new Rig(native as Native, more);
    rigs.push(rig);
    return rig;
  };
  afterEach(() => {
    for (const rig of rigs.splice(0)) {
      expect(rig.server.counters.unanswered).toBe(0);
      rig.close();
    }
  });

  it('frees all that a client held when it dies, and takes the next one', () => {
    const rig = newRig();
    const ram = rig.ram(4 * MIB);
    const event = rig.native.eventfd();
    const before = openFds();
    for (let round = 0; round < 5; round++) {
      const client = rig.attach();
      rig.ask(client, COMMAND.DMA_MAP, mapBody(0, 4 * MIB), { fds: [ram] });
      rig.ask(client, COMMAND.SET_IRQS, fields(20, 0x24, 1, 0, 1), { fds: [event] });
      rig.ask(client, COMMAND.SET_IRQS, fields(20, 0x24, 0, 0, 1), { fds: [event] });
      expect(mapped(rig)).toBe(1);
      const memory = rig.port!.memory;
      let duringDetach = -1;
      rig.whileDetaching = () => {
        duringDetach = memory.mappedFrames;
      };
      // In the middle of a message.
      client.raw(message(1, COMMAND.REGION_READ, readBody(0, 0, 4)).subarray(0, 21));
      rig.settle();
      client.close();
      rig.settle();
      expect(duringDetach).toBe(1024);
      expect(memory.mappedFrames).toBe(0);
      expect(memory.locate(0)).toBe(-1);
      expect(mapped(rig)).toBe(0);
      expect(openFds()).toBe(before);
      expect(rig.detached.length).toBe(round + 1);
      rig.port?.injectMsi(0, 0);
    }
    expect(rig.server.counters.attaches).toBe(5);
    expect(rig.server.counters.msiDropped).toBe(5);
    rig.native.close(event);
    closeFile(ram);
  });

  it('gives a new client a new device', () => {
    const rig = newRig();
    const first = rig.attach();
    const { device } = rig;
    first.close();
    rig.settle();
    const second = rig.attach();
    expect(rig.device).not.toBe(device);
    expect(rig.ask(second, COMMAND.REGION_READ, readBody(0, 0, 4)).errno).toBe(0);
    second.close();
  });

  it('tells a second client that the device is taken, and the first notices nothing', () => {
    const rig = newRig();
    const first = rig.attach();
    const second = rig.connect();
    expect(rig.ask(second, COMMAND.VERSION, versionBody()).errno).toBe(RULES['client.second']);
    second.replies();
    expect(second.open).toBe(false);
    expect(rig.ask(first, COMMAND.REGION_READ, readBody(0, 0, 4)).errno).toBe(0);
    expect(rig.detached).toEqual([]);
    second.close();
    first.close();
  });

  it('keeps few connections, however many are made', () => {
    const rig = newRig();
    const first = rig.attach();
    const before = openFds();
    const others = Array.from({ length: 40 }, () => {
      const other = rig.connect();
      rig.settle();
      return other;
    });
    expect(openFds() - before - others.length).toBeLessThan(8);
    expect(rig.ask(first, COMMAND.REGION_READ, readBody(0, 0, 4)).errno).toBe(0);
    for (const other of others) other.close();
    first.close();
  });

  it('lets a client go that leaves a message half sent', () => {
    const rig = newRig();
    const client = rig.attach();
    rig.server.tick(0);
    rig.server.tick(60 * S);
    expect(rig.detached).toEqual([]);
    client.raw(new Uint8Array(5));
    rig.settle();
    rig.server.tick(61 * S);
    rig.server.tick(70 * S);
    expect(rig.detached).toEqual([]);
    rig.server.tick(72 * S);
    expect(rig.detached).toEqual(['client stalled']);
    client.close();
  });

  it('lets a client go that connects and says nothing', () => {
    const rig = newRig({ stallNs: 2 * S });
    const client = rig.connect();
    rig.settle();
    rig.server.tick(S);
    rig.server.tick(4 * S);
    client.replies();
    expect(client.open).toBe(false);
    expect(rig.server.counters.refusals['client.stalled']).toBe(1);
    client.close();
  });

  it('lets a client go that does not read its answers', () => {
    const rig = newRig();
    const client = rig.attach();
    const ask = message(1, COMMAND.REGION_READ, readBody(7, 0, 256));
    for (let i = 0; i < 20_000; i++) {
      if (client.raw(ask) < 0) rig.settle();
    }
    rig.server.tick(S);
    rig.server.tick(20 * S);
    expect(rig.detached).toEqual(['client stalled']);
    client.close();
  });

  it('keeps for the operator why the mediator gave up on a guest', () => {
    const rig = newRig();
    const client = rig.attach();
    rig.port?.fail('it wrote another guest’s page table');
    expect(rig.server.failed).toBe('it wrote another guest’s page table');
    expect(rig.ask(client, COMMAND.REGION_READ, readBody(0, 0, 4)).errno).toBe(0);
    client.close();
  });

  describe('at its path', () => {
    const options = (rig: Rig, waiter: Waiter, path = rig.path): VfioUserOptions => ({
      path,
      apertureBytes: 64 * MIB,
      frameBase: 0,
      native: rig.native,
      waiter,
      makeGuest: () => rig.device,
      onDetach: () => {},
    });
    const codeOf = (make: () => unknown): string => {
      try {
        make();
      } catch (error) {
        if (error instanceof XengtError) return error.code;
        throw error;
      }
      return 'made';
    };

    it('makes a socket that only its owner can use, and removes it', () => {
      const rig = newRig();
      expect(statSync(rig.path).mode & 0o777).toBe(0o600);
      rig.server.close();
      expect(existsSync(rig.path)).toBe(false);
    });

    it('replaces a socket that nobody listens on', () => {
      const rig = newRig();
      const waiter = new Waiter(rig.native);
      const path = `${rig.path}.stale`;
      rig.native.close(rig.native.listen(path, 0o600));
      expect(existsSync(path)).toBe(true);
      const server = new VfioUserServer(options(rig, waiter, path));
      server.close();
      waiter.close();
    });

    it('does not take the place of a server that lives, nor of a file', () => {
      const rig = newRig();
      const waiter = new Waiter(rig.native);
      expect(codeOf(() => new VfioUserServer(options(rig, waiter)))).toBe('XENGT_E_BUSY');
      writeFileSync(`${rig.path}.file`, 'kept');
      expect(codeOf(() => new VfioUserServer(options(rig, waiter, `${rig.path}.file`)))).toBe('XENGT_E_EXISTS');
      expect(readFileSync(`${rig.path}.file`, 'utf8')).toBe('kept');
      expect(codeOf(() => new VfioUserServer(options(rig, waiter, '/nonexistent/x')))).toBe('XENGT_E_IO');
      expect(codeOf(() => new VfioUserServer(options(rig, waiter, `/tmp/${'x'.repeat(200)}`)))).toBe('XENGT_E_IO');
      waiter.close();
    });
  });
});
