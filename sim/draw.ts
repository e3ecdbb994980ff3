/** The results as one picture: for each scenario the shares as bars beside what was meant, and the waits on a logarithmic scale. */
import { PNG } from 'pngjs';
import { dotsOf } from './font.js';
import type { ScenarioReport } from './report.js';

type Colour = readonly [number, number, number];
const INK: Colour = [40, 44, 52];
const FAINT: Colour = [205, 210, 218];
const MEANT: Colour = [20, 20, 20];
const COLOURS: readonly Colour[] = [
  [52, 120, 198],
  [222, 132, 44],
  [70, 158, 90],
  [190, 70, 80],
  [128, 100, 180],
  [150, 110, 80],
  [90, 160, 170],
];

const WIDTH = 960;
const LEFT = 170;
const SHARES = 330;
const WAITS_AT = LEFT + SHARES + 90;
const WAITS = WIDTH - WAITS_AT - 40;
const BAR = 16;
const HEAD = 44;
const GAP = 18;
/** Ends of the scale of waits, ms, as powers of ten. */
const FROM = -3;
const TO = 4;

class Canvas {
  readonly png: PNG;
  constructor(
    readonly width: number,
    readonly height: number,
  ) {
    this.png = new PNG({ width, height });
    this.png.data.fill(255);
  }
  box(x: number, y: number, width: number, height: number, [r, g, b]: Colour): void {
    const right = Math.min(this.width, Math.round(x + width));
    const bottom = Math.min(this.height, Math.round(y + height));
    for (let row = Math.max(0, Math.round(y)); row < bottom; row++) {
      for (let column = Math.max(0, Math.round(x)); column < right; column++) {
        this.png.data.set([r, g, b], 4 * (row * this.width + column));
      }
    }
  }
  text(x: number, y: number, text: string, colour = INK, size = 2): void {
    dotsOf(text, (dx, dy) => this.box(x + dx * size, y + dy * size, size, size, colour));
  }
}

const waitX = (ms: number): number => {
  const power = Math.log10(Math.max(10 ** FROM, ms));
  return WAITS_AT + (WAITS * (Math.min(TO, power) - FROM)) / (TO - FROM);
};

export function draw(reports: readonly ScenarioReport[]): Buffer {
  const rows = reports.reduce((sum, { clients }) => sum + HEAD + clients.length * BAR + GAP, 0);
  const canvas = new Canvas(WIDTH, rows + 40);
  canvas.text(LEFT, 12, 'share of what was run, mark: meant');
  canvas.text(WAITS_AT, 12, 'wait, ms: median to p99, line to longest');
  let y = 30;
  for (const report of reports) {
    drawScenario(canvas, report, y);
    y += HEAD + report.clients.length * BAR + GAP;
  }
  return PNG.sync.write(canvas.png, { colorType: 2, inputHasAlpha: true });
}

function drawScenario(canvas: Canvas, { name, policy, jain, clients }: ScenarioReport, top: number): void {
  canvas.text(10, top + 4, `${name} (${policy})${jain === null ? '' : `, jain ${jain.toFixed(3)}`}`, INK, 3);
  const bottom = top + HEAD + clients.length * BAR;
  for (let part = 0; part <= 4; part++) {
    const x = LEFT + (SHARES * part) / 4;
    canvas.box(x, top + HEAD - 4, 1, bottom - top - HEAD + 6, FAINT);
    canvas.text(x - 8, top + HEAD - 15, `${25 * part}%`, FAINT);
  }
  for (let power = FROM; power <= TO; power++) {
    const x = waitX(10 ** power);
    canvas.box(x, top + HEAD - 4, 1, bottom - top - HEAD + 6, FAINT);
    canvas.text(x - 8, top + HEAD - 15, String(10 ** power), FAINT);
  }
  clients.forEach((client, i) => {
    const y = top + HEAD + i * BAR;
    const colour = COLOURS[i % COLOURS.length]!;
    canvas.text(10, y + 2, client.name);
    canvas.box(LEFT, y, SHARES * client.share, BAR - 4, colour);
    if (client.meant !== null) canvas.box(LEFT + SHARES * client.meant - 1, y - 2, 3, BAR, MEANT);
    canvas.text(LEFT + SHARES + 8, y + 2, `${(100 * client.share).toFixed(1)}%`);
    const { p50, p99, longest } = client.waitMs;
    canvas.box(waitX(p99), y + 5, waitX(longest) - waitX(p99), 2, colour);
    canvas.box(waitX(p50), y, Math.max(2, waitX(p99) - waitX(p50)), BAR - 4, colour);
  });
}
