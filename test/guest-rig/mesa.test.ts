import { describe, expect, it } from 'vitest';
import { platformByName } from '../../src/hw/index.js';
import { FRAMES, programsOn } from '../guest/mesa/programs.js';
import { FILM } from '../guest/provision/index.js';

const PROGRAMS = programsOn(platformByName('SKL')!);

function verdict(name: string, output: string, programs = PROGRAMS): string | null {
  const program = programs.find((one) => one.name === name);
  if (program === undefined) throw new Error(`${name} is no program`);
  return program.judge(output);
}

function film(frames: readonly number[], driver = 'Intel iHD driver for Intel(R) Gen Graphics'): string {
  return `libva: ${driver}\n${frames.map((frame) => `frame= ${frame} fps= 20 q=-0.0`).join('\r')}\n`;
}

describe('a program on Mesa', () => {
  it('has a name that is a file name, and no other has it', () => {
    const names = PROGRAMS.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(name).toMatch(/^[a-z0-9]+$/);
  });

  it('has found the driver for this GPU, not one that draws by CPU', () => {
    const answer = (renderer: string) =>
      `OpenGL ES profile renderer: ${renderer}\nOpenGL ES profile version: OpenGL ES 3.2 Mesa 25.0.7\n`;
    expect(verdict('eglinfo', answer('Mesa Intel(R) HD Graphics 530 (SKL GT2)'))).toBeNull();
    expect(verdict('eglinfo', answer('llvmpipe (LLVM 19.1.7, 256 bits)'))).toMatch(/nothing that matches/);
  });

  it('has drawn all of its frames, however often it reports them', () => {
    const gears = (frames: readonly number[]) =>
      `GL_RENDERER   = Mesa Intel(R) HD Graphics 530 (SKL GT2)\n${frames.map((count) => `${count} frames in 5.0 seconds = 20.0 FPS\n`).join('')}`;
    expect(verdict('peglgears', gears([FRAMES - 80, 80]))).toBeNull();
    expect(verdict('peglgears', gears([FRAMES - 80, 79]))).toBe(`${FRAMES - 1} frames, not ${FRAMES}`);
    const cube = (frames: number) =>
      `  renderer: "Mesa Intel(R) HD"\nRendered ${frames} frames in 4.000 sec (50 fps)\n`;
    expect(verdict('kmscube', cube(FRAMES))).toBeNull();
    expect(verdict('kmscube', cube(FRAMES - 1))).toMatch(/199 frames/);
  });

  it('has drawn each scene', () => {
    const scenes = PROGRAMS.find(({ name }) => name === 'glmark2')?.command.match(/ -b /g)?.length ?? 0;
    const output = (drawn: number) =>
      `GL_RENDERER:    Mesa Intel(R) HD\n${'[scene] nframes=200: FPS: 51 FrameTime: 19.8 ms\n'.repeat(drawn)}`;
    expect(scenes).toBeGreaterThan(5);
    expect(verdict('glmark2', output(scenes))).toBeNull();
    expect(verdict('glmark2', output(scenes - 1))).toBe(`${scenes - 1} scenes of ${scenes} were drawn`);
    expect(verdict('glmark2', output(scenes - 1).concat('[x] y: FPS: 0 FrameTime: inf ms\n'))).not.toBeNull();
  });

  it('has decoded the whole film with the device', () => {
    expect(verdict('ffmpeg', film([100, FILM.pictures]))).toBeNull();
    expect(verdict('ffmpeg', film([100, FILM.pictures - 1]))).toMatch(/249 pictures of 250/);
    expect(verdict('ffmpeg', film([FILM.pictures], 'no driver'))).toMatch(/nothing that matches/);
  });

  it('on Haswell is driven by what knows Haswell', () => {
    const programs = programsOn(platformByName('HSW')!);
    expect(programs.map(({ name }) => name)).toEqual(PROGRAMS.map(({ name }) => name));
    const i965 = film([FILM.pictures], 'Intel i965 driver for Intel(R) Haswell Desktop - 2.4.1');
    expect(verdict('ffmpeg', i965, programs)).toBeNull();
    expect(verdict('ffmpeg', i965)).toMatch(/nothing that matches/);
    expect(verdict('ffmpeg', film([FILM.pictures]), programs)).toMatch(/nothing that matches/);
  });

  it('keeps the engine of its frames at work', () => {
    const idle = PROGRAMS.filter(({ gpuSeconds }) => Object.keys(gpuSeconds).length === 0).map(({ name }) => name);
    expect(idle).toEqual(['eglinfo', 'vulkaninfo', 'vainfo']);
  });
});
