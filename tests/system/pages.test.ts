/** The pages of a server in a real browser: on a small phone, what the button copies, what a camera sees. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { CLIENT_PAGES } from '@malla/control/listen/pages/clients';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { decodeQR } from 'qr/decode.js';
import { skipWithout } from '../interop/needs.ts';
import { BROWSER_TOOL, INSECURE_NAME, startBrowser } from './browser.ts';
import { TestServer } from './test-server.ts';

/** The narrowest that is still sold, CSS pixels. */
const PHONE = { width: 320, height: 568 };
/** Smallest side of what a finger hits, CSS pixels. */
const FINGER = 44;

describe('pages in a browser', { skip: skipWithout(BROWSER_TOOL) }, () => {
  let server: TestServer;
  let browser: Browser;
  let waiting: string;

  before(async () => {
    server = await TestServer.start();
    browser = await startBrowser();
    const device = await server.connect(`a-rather-long-name-${'of-a-device-'.repeat(5)}`);
    waiting = new URL(String((await device.register())['AuthURL'])).pathname;
  });
  after(async () => {
    await browser.close();
    await server.stop();
  });

  test('fit a phone, can be tapped, and ask for nothing else', async () => {
    for (const path of [...Object.keys(CLIENT_PAGES), waiting, '/register/nobody']) {
      const context = await browser.newContext({ viewport: PHONE });
      const page = await context.newPage();
      const asked: string[] = [];
      const complaints: string[] = [];
      page.on('request', (request) => asked.push(new URL(request.url()).pathname));
      page.on('console', (message) => complaints.push(message.text()));
      const answer = await page.goto(server.url + path);
      const width = await page.evaluate('document.documentElement.scrollWidth');
      assert.equal(width, PHONE.width, `${path} scrolls sideways`);
      for (const tapped of await page.locator('button, nav a').all()) {
        const box = await tapped.boundingBox();
        assert.ok((box?.height ?? 0) >= FINGER, `${path}: ${await tapped.textContent()}`);
      }
      assert.deepEqual(
        asked.filter((other) => other !== '/favicon.ico'),
        [path],
      );
      // The browser itself says of a 404 that it is one.
      assert.deepEqual(complaints.length, answer?.ok() === true ? 0 : 1, complaints.join('\n'));
      await context.close();
    }
  });

  test('copy what stands above the button, over https and over http', async () => {
    for (const origin of [server.url, server.url.replace('127.0.0.1', INSECURE_NAME)]) {
      const context = await browser.newContext({ viewport: PHONE });
      const page = await context.newPage();
      await page.goto(origin + waiting);
      assert.equal(await page.evaluate('isSecureContext'), origin === server.url);
      await page.getByRole('button', { name: 'Copy' }).click();
      await page.getByRole('button', { name: 'Copied' }).waitFor();
      const command = await pasted(context);
      const [, id = ''] =
        /nodes register --key (hskey-authreq-\S+) --user USERNAME$/.exec(command) ?? [];
      assert.ok(id !== '' && waiting.endsWith(id), command);
      await context.close();
    }
  });

  test('have a code that a camera reads, also in the dark', async () => {
    for (const colorScheme of ['light', 'dark'] as const) {
      const context = await browser.newContext({ viewport: PHONE, colorScheme });
      const page = await context.newPage();
      await page.goto(`${server.url}/android`);
      const picture = await page.locator('svg.qr').screenshot();
      assert.equal(await read(page, picture), server.config.serverUrl, colorScheme);
      await context.close();
    }
  });
});

/** What a person gets who pastes. */
async function pasted(context: BrowserContext): Promise<string> {
  const page = await context.newPage();
  await page.setContent('<textarea></textarea>');
  await page.locator('textarea').press('Control+v');
  return page.locator('textarea').inputValue();
}

interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly pixels: readonly number[];
}

/** What a code in a PNG says; the browser is the one that knows PNG. */
async function read(page: Page, png: Uint8Array): Promise<string> {
  const blank = await page.context().newPage();
  const { width, height, pixels } = await blank.evaluate<Pixels>(`(async () => {
    const image = new Image();
    image.src = 'data:image/png;base64,${Buffer.from(png).toString('base64')}';
    await image.decode();
    const { width, height } = image;
    const canvas = new OffscreenCanvas(width, height).getContext('2d');
    canvas.drawImage(image, 0, 0);
    return { width, height, pixels: [...canvas.getImageData(0, 0, width, height).data] };
  })()`);
  return decodeQR({ width, height, data: Uint8Array.from(pixels) });
}
