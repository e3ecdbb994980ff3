/**
 * What runs, and what its output must say. The model GPU only takes time for 3D and media, so no picture is looked at: a
 * program must find Intel's driver, draw as many frames as it was asked for, and end.
 */
import { DEFAULT_COST } from '../../../src/gpu/model/index.js';
import type { Platform } from '../../../src/hw/index.js';
import { FILM } from '../provision/index.js';

/** null: all right; else what is wrong with a program's output. */
export type Judge = (output: string) => string | null;

export interface Program {
  readonly name: string;
  /** What a reader of the run's output is told that it is. */
  readonly title: string;
  /** A shell command. */
  readonly command: string;
  readonly seconds: number;
  /** How long it must at least keep each engine at work. */
  readonly gpuSeconds: Readonly<Record<string, number>>;
  readonly judge: Judge;
}

/** Frames that a program which draws frames has to draw. */
export const FRAMES = 200;
/**
 * Half of what one thing drawn and one picture decoded take on the model, in seconds. Half: a guest is charged for no more
 * than what passed on the host's clock meanwhile.
 */
const DRAW = DEFAULT_COST.draw / 2e9;
const PICTURE = DEFAULT_COST.mediaObject / 2e9;

/** All patterns occur. */
function says(...patterns: readonly RegExp[]): Judge {
  return (output) => {
    const missing = patterns.find((pattern) => !pattern.test(output));
    return missing === undefined ? null : `its output has nothing that matches ${missing}`;
  };
}

/** What `pattern` captures, summed over the output, is at least `wanted`. */
function sums(pattern: RegExp, wanted: number, what: string): Judge {
  return (output) => {
    let sum = 0;
    for (const match of output.matchAll(pattern)) sum += Number(match[1]);
    return sum >= wanted ? null : `${sum} ${what}, not ${wanted}`;
  };
}

function all(...judges: readonly Judge[]): Judge {
  return (output) => {
    for (const judge of judges) {
      const wrong = judge(output);
      if (wrong !== null) return wrong;
    }
    return null;
  };
}

const RENDER_NODE = '/dev/dri/renderD128';
const SCENES = [
  ...['build:use-vbo=true', 'texture:texture-filter=mipmap', 'shading:shading=phong', 'bump:bump-render=normals'],
  ...['effect2d', 'pulsar', 'desktop:effect=blur', 'buffer', 'ideas', 'shadow', 'conditionals', 'loop'],
];
const VK_SCENES = ['vertex:interleave=true', 'texture', 'shading:shading=phong', 'effect2d', 'cube', 'clear'];
/** Seconds for each of vkmark's scenes; it counts no frames. */
const VK_SECONDS = 4;

/** A shell command with a compositor around it, which also draws by the GPU and has no monitor. */
function inWeston(command: string): string {
  return [
    'weston --backend=headless --renderer=gl --no-config --socket=wayland-x & weston=$!',
    'until [ -S $XDG_RUNTIME_DIR/wayland-x ] || ! kill -0 $weston; do sleep 0.2; done',
    `WAYLAND_DISPLAY=wayland-x ${command}; code=$?`,
    'kill $weston; wait $weston; exit $code',
  ].join('\n');
}

/** What drives a GPU of the platform: crocus and hasvk with i965 on Haswell, iris and anv with iHD on what came later. */
export function programsOn({ gen }: Pick<Platform, 'gen'>): readonly Program[] {
  return gen === 7 ? programs('crocus', 'i965') : programs('iris', 'iHD');
}

const programs = (gl: string, va: string): readonly Program[] => [
  {
    name: 'eglinfo',
    title: `eglinfo finds the ${gl} driver`,
    command: 'eglinfo.x86_64-linux-gnu -B -p surfaceless',
    seconds: 120,
    gpuSeconds: {},
    judge: says(/OpenGL ES profile renderer: Mesa Intel/, /OpenGL ES profile version: OpenGL ES 3\.2/),
  },
  {
    name: 'peglgears',
    title: `gears turn off-screen, ${FRAMES} frames`,
    // It draws for ever and says each five seconds how many frames it has drawn.
    command: `EGL_PLATFORM=surfaceless peglgears.x86_64-linux-gnu -info | awk '{ print; n += $1 } / frames in / && n >= ${FRAMES} { exit }'`,
    seconds: 240,
    gpuSeconds: { RCS: FRAMES * DRAW },
    judge: all(says(/GL_RENDERER *= Mesa Intel/), sums(/^(\d+) frames in/gm, FRAMES, 'frames')),
  },
  {
    name: 'kmscube',
    title: `kmscube shows ${FRAMES} frames on the monitor`,
    // A key ends it, and so does a standard input at its end.
    command: `mkfifo keys && kmscube -c ${FRAMES} <>keys`,
    seconds: 240,
    gpuSeconds: { RCS: FRAMES * DRAW },
    judge: all(says(/renderer: "Mesa Intel/), sums(/^Rendered (\d+) frames/gm, FRAMES, 'frames')),
  },
  {
    name: 'glmark2',
    title: `${SCENES.length} scenes of glmark2 off-screen, ${FRAMES} frames each`,
    command: `glmark2-es2-drm --off-screen ${SCENES.map((scene) => `-b ${scene}:nframes=${FRAMES}`).join(' ')}`,
    seconds: 900,
    gpuSeconds: { RCS: SCENES.length * FRAMES * DRAW },
    judge: all(says(/GL_RENDERER: *Mesa Intel/), (output) => {
      const done = output.match(/FPS: [1-9]\d* FrameTime/g)?.length ?? 0;
      return done === SCENES.length ? null : `${done} scenes of ${SCENES.length} were drawn`;
    }),
  },
  {
    name: 'vulkaninfo',
    title: 'vulkaninfo finds the Vulkan driver of Intel',
    command: 'vulkaninfo',
    seconds: 240,
    gpuSeconds: {},
    judge: says(/deviceName\s*= Intel\(R\)/, /driverID\s*= DRIVER_ID_INTEL_OPEN_SOURCE_MESA/),
  },
  {
    name: 'vkcube',
    title: `vkcube shows ${FRAMES} frames in a Wayland window`,
    command: inWeston(`vkcube --wsi wayland --suppress_popups --c ${FRAMES}`),
    seconds: 240,
    gpuSeconds: { RCS: FRAMES * DRAW },
    judge: says(/GL renderer: Mesa Intel/, /Selected GPU \d+: Intel\(R\)/),
  },
  {
    name: 'vkmark',
    title: `${VK_SCENES.length} scenes of vkmark off-screen, ${FRAMES} frames in all`,
    command: `vkmark --winsys headless ${VK_SCENES.map((scene) => `-b ${scene}:duration=${VK_SECONDS}`).join(' ')}`,
    seconds: 600,
    gpuSeconds: { RCS: FRAMES * DRAW },
    judge: all(says(/Device Name: *Intel/), sums(/FPS: (\d+) /g, FRAMES / VK_SECONDS, 'frames a second')),
  },
  {
    name: 'vainfo',
    title: `vainfo finds the ${va} driver and H.264 decoding`,
    command: `LIBVA_DRIVER_NAME=${va} vainfo --display drm --device ${RENDER_NODE}`,
    seconds: 120,
    gpuSeconds: {},
    judge: says(new RegExp(`Intel ${va} driver`), /VAProfileH264Main\s*:\s*VAEntrypointVLD/),
  },
  {
    name: 'ffmpeg',
    title: `ffmpeg decodes ${FILM.pictures} pictures of H.264 by VA-API`,
    // Copying the pictures back works only with pictures that the device has decoded.
    command: [
      `LIBVA_DRIVER_NAME=${va} ffmpeg -hide_banner -nostdin -loglevel verbose -hwaccel vaapi -hwaccel_device ${RENDER_NODE}`,
      `-hwaccel_output_format vaapi -i ${FILM.path} -vf hwdownload,format=nv12 -f null -`,
    ].join(' '),
    seconds: 300,
    gpuSeconds: { VCS: FILM.pictures * PICTURE },
    judge: all(says(new RegExp(`Intel ${va} driver`)), (output) => {
      const frames = Number([...output.matchAll(/frame= *(\d+)/g)].at(-1)?.[1] ?? 0);
      return frames === FILM.pictures ? null : `${frames} pictures of ${FILM.pictures} were decoded`;
    }),
  },
];
