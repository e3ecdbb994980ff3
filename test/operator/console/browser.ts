/**
 * A browser without a window, driven by the DevTools protocol over a pipe: requests and answers are JSON, each ended by a zero
 * byte. Source: the protocol's own pages (Target, Page, Runtime, Input, Emulation).
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { XengtError } from '../../../src/base/index.js';
import { atExit } from '../../guest/cleanup.js';
import { inViewers } from './root.js';

type Fields = Readonly<Record<string, unknown>>;

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-dev-shm-usage',
  '--hide-scrollbars',
  '--no-first-run',
  '--user-data-dir=/tmp/browser',
  '--remote-debugging-pipe',
  'about:blank',
];
const ANSWER_MS = 60_000;
const KEYS: Readonly<Record<string, number>> = { Tab: 9, Enter: 13, Escape: 27 };

const fieldsOf = (value: unknown): Fields => (typeof value === 'object' && value !== null ? (value as Fields) : {});

export class Browser {
  readonly #process: ChildProcess;
  readonly #out: Writable;
  readonly #waiting = new Map<number, { resolve(fields: Fields): void; reject(error: Error): void }>();
  readonly #listeners = new Set<(session: string, method: string, fields: Fields) => void>();
  #serial = 0;
  #said = '';

  constructor(root: string) {
    const { command, args } = inViewers(root, ['chromium-headless-shell', ...FLAGS]);
    this.#process = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'] });
    atExit(() => this.#process.kill('SIGKILL'));
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.#said = (this.#said + chunk.toString()).slice(-4000);
      });
    }
    this.#out = this.#process.stdio[3] as Writable;
    this.#out.on('error', () => this.#lost());
    let pending = Buffer.alloc(0);
    (this.#process.stdio[4] as Readable).on('data', (chunk: Buffer) => {
      pending = Buffer.concat([pending, chunk]);
      for (let end = pending.indexOf(0); end >= 0; end = pending.indexOf(0)) {
        this.#hear(fieldsOf(JSON.parse(pending.toString('utf8', 0, end))));
        pending = pending.subarray(end + 1);
      }
    });
    this.#process.on('exit', () => this.#lost());
  }

  #lost(): void {
    const error = new XengtError('XENGT_E_UNAVAILABLE', `The browser has ended: ${this.#said}`);
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }

  #hear(message: Fields): void {
    const { id, result, error, method, params, sessionId } = message;
    if (typeof id !== 'number') {
      for (const listener of this.#listeners) listener(String(sessionId ?? ''), String(method), fieldsOf(params));
      return;
    }
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiting?.resolve(fieldsOf(result));
    else waiting?.reject(new XengtError('XENGT_E_PROTOCOL', `The browser refused: ${JSON.stringify(error)}`));
  }

  send(method: string, params: Fields = {}, sessionId?: string): Promise<Fields> {
    const id = ++this.#serial;
    const late = setTimeout(() => {
      this.#waiting.get(id)?.reject(new XengtError('XENGT_E_UNAVAILABLE', `${method} is not answered: ${this.#said}`));
      this.#waiting.delete(id);
    }, ANSWER_MS);
    const answer = new Promise<Fields>((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    this.#out.write(`${JSON.stringify({ id, method, params, ...(sessionId === undefined ? {} : { sessionId }) })}\0`);
    return answer.finally(() => clearTimeout(late));
  }

  listen(listener: (session: string, method: string, fields: Fields) => void): void {
    this.#listeners.add(listener);
  }

  async open(url: string, width: number, height: number): Promise<Page> {
    const { targetId } = await this.send('Target.createTarget', { url: 'about:blank' });
    const { sessionId } = await this.send('Target.attachToTarget', { targetId, flatten: true });
    const page = new Page(this, String(sessionId));
    await page.start();
    await page.resize(width, height);
    await page.goto(url);
    return page;
  }

  async close(): Promise<void> {
    if (this.#process.exitCode !== null) return;
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.kill('SIGKILL');
    await ended;
  }
}

export class Page {
  /** What went wrong in the page's scripts. */
  readonly faults: string[] = [];
  readonly #browser: Browser;
  readonly #session: string;

  constructor(browser: Browser, session: string) {
    this.#browser = browser;
    this.#session = session;
    browser.listen((from, method, fields) => {
      if (from !== session) return;
      if (method === 'Runtime.exceptionThrown') this.faults.push(JSON.stringify(fields.exceptionDetails));
      const { source, text } = fieldsOf(fields.entry);
      // What breaks the page's own policy; that a daemon is away is no fault of the page.
      if (method === 'Log.entryAdded' && source === 'security') this.faults.push(String(text));
    });
  }

  #send(method: string, params: Fields = {}): Promise<Fields> {
    return this.#browser.send(method, params, this.#session);
  }

  async start(): Promise<void> {
    for (const domain of ['Page', 'Runtime', 'Log']) await this.#send(`${domain}.enable`);
  }

  async goto(url: string): Promise<void> {
    await this.#send('Page.navigate', { url });
  }

  resize(width: number, height: number): Promise<Fields> {
    const metrics = { width, height, deviceScaleFactor: 1, mobile: false };
    return this.#send('Emulation.setDeviceMetricsOverride', metrics);
  }

  scheme(value: 'light' | 'dark'): Promise<Fields> {
    return this.#send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value }] });
  }

  /** Value of an expression in the page. */
  async evaluate(expression: string): Promise<unknown> {
    const options = { expression, awaitPromise: true, returnByValue: true };
    const { result, exceptionDetails } = await this.#send('Runtime.evaluate', options);
    if (exceptionDetails !== undefined) {
      throw new XengtError('XENGT_E_PROTOCOL', `${expression}: ${JSON.stringify(exceptionDetails)}`);
    }
    return fieldsOf(result).value;
  }

  /** Waits until an expression is true. @returns whether it came to be */
  async until(expression: string, timeoutMs = 30_000): Promise<boolean> {
    for (const end = Date.now() + timeoutMs; Date.now() < end; await delay(100)) {
      if ((await this.evaluate(expression)) === true) return true;
    }
    return false;
  }

  async press(key: string): Promise<void> {
    const code = { key, code: key, windowsVirtualKeyCode: KEYS[key] };
    const text = key === 'Enter' ? { text: '\r' } : {};
    await this.#send('Input.dispatchKeyEvent', { type: 'keyDown', ...code, ...text });
    await this.#send('Input.dispatchKeyEvent', { type: 'keyUp', ...code });
  }

  async type(text: string): Promise<void> {
    await this.#send('Input.insertText', { text });
  }

  async screenshot(file: string): Promise<void> {
    const { data } = await this.#send('Page.captureScreenshot', { format: 'png' });
    writeFileSync(file, Buffer.from(String(data), 'base64'));
  }
}
