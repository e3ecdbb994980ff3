/**
 * What runs, and what its output must say. The model GPU only takes time for 3D and media, so no picture is looked at: a
 * program must find Intel's driver, draw as many frames as it was asked for, and end.
 */
export interface Program {
  readonly name: string;
  /** What a reader of the run's output is told that it is. */
  readonly title: string;
  /** A shell command. */
  readonly command: string;
  readonly seconds: number;
  /** Engines that it must have used. */
  readonly engines: readonly string[];
  /** null: all right; else what is wrong. */
  readonly judge: (output: string) => string | null;
}

/** Frames that a program which draws frames has to draw. */
export const FRAMES = 200;

/** All patterns occur. */
function says(...patterns: readonly RegExp[]): Program['judge'] {
  return (output) => {
    const missing = patterns.find((pattern) => !pattern.test(output));
    return missing === undefined ? null : `its output has nothing that matches ${missing}`;
  };
}

export const PROGRAMS: readonly Program[] = [
  {
    name: 'eglinfo',
    title: 'eglinfo finds the iris driver',
    command: 'eglinfo.x86_64-linux-gnu -B -p surfaceless',
    seconds: 120,
    engines: ['RCS'],
    judge: says(/OpenGL ES profile renderer: Mesa Intel/, /OpenGL ES profile version: OpenGL ES 3\.2/),
  },
];
