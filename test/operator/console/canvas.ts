/** What a canvas of the console's page has, pixel by pixel. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Page } from './browser.js';

/** Digest of the canvas in an element, made in the page. */
const digestOf = (selector: string) => `(async () => {
  const canvas = document.querySelector(${JSON.stringify(`${selector} canvas`)});
  if (canvas === null || canvas.width === 0) return 'nothing';
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', data));
  return canvas.width + 'x' + canvas.height + ' ' + [...hash].map((byte) => byte.toString(16).padStart(2, '0')).join('');
})()`;

/** Looks until it is as wanted or time is up. @returns the last look's digest */
export async function canvasShows(page: Page, selector: string, wanted: string, timeoutMs: number): Promise<string> {
  let seen: unknown = '';
  for (const end = Date.now() + timeoutMs; Date.now() < end; await delay(250)) {
    seen = await page.evaluate(digestOf(selector));
    if (seen === wanted) break;
  }
  return String(seen);
}
