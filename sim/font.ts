/** Letters of three by five dots, as much as a diagram's labels need. Each glyph is five octal digits: a row each, top first. */
const GLYPHS: Readonly<Record<string, string>> = {
  ...{ '0': '75557', '1': '26227', '2': '71747', '3': '71717', '4': '55711' },
  ...{ '5': '74717', '6': '74757', '7': '71122', '8': '75757', '9': '75717' },
  ...{ a: '25755', b: '65656', c: '34443', d: '65556', e: '74647', f: '74644', g: '34553', h: '55755', i: '72227' },
  ...{ j: '11153', k: '55655', l: '44447', m: '57755', n: '65555', o: '25552', p: '65644', q: '25563', r: '65655' },
  ...{ s: '34216', t: '72222', u: '55557', v: '55552', w: '55775', x: '55255', y: '55222', z: '71247' },
  ...{ '.': '00002', ',': '00024', ':': '02020', '-': '00700', '%': '51245', '/': '11244', '(': '24442', ')': '21112' },
};

export const GLYPH_WIDTH = 4;
export const GLYPH_HEIGHT = 5;

/** Calls `dot` for every dot of a text that starts at the origin. What has no glyph is a gap. */
export function dotsOf(text: string, dot: (x: number, y: number) => void): void {
  [...text.toLowerCase()].forEach((letter, i) => {
    const glyph = GLYPHS[letter];
    if (glyph === undefined) return;
    for (let y = 0; y < GLYPH_HEIGHT; y++) {
      const row = Number(glyph[y]);
      for (let x = 0; x < 3; x++) if ((row & (4 >> x)) !== 0) dot(i * GLYPH_WIDTH + x, y);
    }
  });
}
