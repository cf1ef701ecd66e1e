// Opens the HTML page of a report in a headless browser, as desktops and phones show it, light and dark: nothing may be wider
// than the screen, nothing may be reported on the console, the filters must work, and the page must be whole without scripts.
// Usage: node check.mjs BROWSER PAGE. Speaks the browser's own protocol over a pipe, so that nothing has to be installed.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const [browser, page] = process.argv.slice(2);
const address = pathToFileURL(resolve(page)).href;
const profile = mkdtempSync(join(tmpdir(), 'page-'));
const child = spawn(
  browser,
  ['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--remote-debugging-pipe', `--user-data-dir=${profile}`, 'about:blank'],
  { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] },
);
const [, , , out, from] = child.stdio;
const waiting = new Map();
const complaints = [];
let ready = () => {};
let last = 0;

let rest = '';
from.on('data', (chunk) => {
  const parts = (rest + chunk).split('\0');
  rest = parts.pop();
  for (const part of parts) {
    const { id, method, params, result, error } = JSON.parse(part);
    if (id !== undefined) {
      const { resolve: done, reject } = waiting.get(id);
      if (error) reject(new Error(error.message));
      else done(result);
    } else if (method === 'Page.loadEventFired') {
      ready();
    } else if (method === 'Log.entryAdded' || method === 'Runtime.consoleAPICalled' || method === 'Runtime.exceptionThrown') {
      complaints.push(JSON.stringify(params));
    }
  }
});

function call(method, params = {}, sessionId = undefined) {
  last += 1;
  const id = last;
  out.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
  return new Promise((done, reject) => waiting.set(id, { resolve: done, reject }));
}

async function check() {
  const { targetId } = await call('Target.createTarget', { url: 'about:blank' });
  const { sessionId } = await call('Target.attachToTarget', { targetId, flatten: true });
  const send = (method, params) => call(method, params, sessionId);
  const evaluate = async (expression) => {
    const { result, exceptionDetails } = await send('Runtime.evaluate', { expression, returnByValue: true });
    assert.equal(exceptionDetails, undefined, expression);
    return result.value;
  };
  const open = async () => {
    const loaded = new Promise((done) => { ready = done; });
    await send('Page.navigate', { url: address });
    await loaded;
  };
  await Promise.all(['Page', 'Runtime', 'Log'].map((domain) => send(`${domain}.enable`)));

  const colours = new Set();
  for (const width of [360, 1280]) {
    for (const scheme of ['light', 'dark']) {
      await send('Emulation.setDeviceMetricsOverride', { width, height: 800, deviceScaleFactor: 1, mobile: width < 600 });
      await send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: scheme }] });
      await open();
      // Everything is open, so that everything is measured.
      const measured = await evaluate(`(() => {
        for (const details of document.querySelectorAll('details')) details.open = true;
        const beyond = [...document.body.querySelectorAll('*')]
          .filter((it) => it.getBoundingClientRect().right > innerWidth + 1 || it.scrollWidth > it.clientWidth + 1 && it.clientWidth > 0 && getComputedStyle(it).overflowX !== 'visible')
          .map((it) => it.tagName + '.' + it.className);
        return { width: innerWidth, over: document.documentElement.scrollWidth - document.documentElement.clientWidth, beyond: beyond.slice(0, 5) };
      })()`);
      assert.deepEqual(measured, { width, over: 0, beyond: [] }, `${width} ${scheme}`);
      colours.add(await evaluate('getComputedStyle(document.body).backgroundColor'));
    }
  }
  assert.equal(colours.size, 2, 'light and dark look the same');

  const shown = (name, value) => evaluate(`(() => {
    const form = document.getElementById('filters');
    form.reset();
    if (${JSON.stringify(name)}) {
      form.elements[${JSON.stringify(name)}].value = ${JSON.stringify(value)};
      form.elements[${JSON.stringify(name)}].dispatchEvent(new Event('input', { bubbles: true }));
    } else form.dispatchEvent(new Event('input'));
    const items = [...document.querySelectorAll('[data-verdict]')].filter((it) => it.checkVisibility());
    return { ids: items.map((it) => it.id), verdicts: [...new Set(items.map((it) => it.dataset.verdict))], told: form.elements.shown.value };
  })()`);
  const all = await shown('', '');
  assert.ok(all.ids.length > 80, `${all.ids.length} clauses and cases`);
  assert.equal(all.told, `${all.ids.length} of ${all.ids.length}`);
  const failed = await shown('verdict', 'failed');
  assert.deepEqual(failed.verdicts, ['failed']);
  assert.deepEqual(failed.ids, ['case-refused-with-another-code', 'RT-07']);
  const found = await shown('search', 'another-CODE purpose');
  assert.deepEqual(found.ids, ['case-refused-with-another-code']);
  const must = await shown('level', 'must');
  assert.ok(must.ids.length > 0 && must.ids.length < all.ids.length, `${must.ids}`);
  assert.deepEqual((await shown('level', 'companion')).ids, []);

  await send('Emulation.setScriptExecutionDisabled', { value: true });
  await open();
  const { root } = await send('DOM.getDocument', { depth: 0 });
  const count = async (selector) => (await send('DOM.querySelectorAll', { nodeId: root.nodeId, selector })).nodeIds.length;
  assert.equal(await count('[data-verdict]:not([hidden])'), all.ids.length, 'without scripts everything is shown');
  assert.equal(await count('form[hidden]'), 1, 'without scripts there are no filters');
  assert.deepEqual(complaints, []);
}

const ended = new Promise((done) => { child.on('exit', done); });
const overdue = setTimeout(() => { console.error('the browser has not answered within a minute'); child.kill('SIGKILL'); process.exit(1); }, 60_000);
try {
  await check();
  console.log('the page fits from 360 to 1280 pixels, light and dark; its filters work; nothing is on the console');
} finally {
  clearTimeout(overdue);
  child.kill();
  await ended;
  rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
}
