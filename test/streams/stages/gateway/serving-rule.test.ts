import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { VirtualTimeScheduler } from 'rxjs';
import { expect, it, onTestFinished, vi } from 'vitest';
import { encodePng } from '../../../../src/models/images/picture.js';
import { openServingRule } from '../../../../src/streams/stages/gateway/serving-rule.js';
import { temporaryFolder } from '../../../fixtures/temporary-folder.js';
import { drawnOf } from './gateway-bench.js';

const requestOf = (prompt: string) => ({
  ...{ id: 'g-1', prompt, seed: 1, requestedBy: 'ann' },
  ...{ requestedAt: 0, expiresAt: 1 },
});

/** A drawn group of two pictures of one pixel each. */
function groupOf(prompt: string, ...pixels: readonly number[]) {
  const drawn = drawnOf(requestOf(prompt));
  if ('fault' in drawn) throw new Error(drawn.fault);
  const pictures = pixels.map((value) =>
    encodePng({ width: 1, height: 1, data: Uint8Array.of(value, value, value) }),
  );
  return { ...drawn, pictures };
}

async function opened(module: string) {
  const warnings: string[] = [];
  const scheduler = new VirtualTimeScheduler(undefined, 0);
  const rule = await openServingRule({
    settings: { module, options: { words: 'gun', darkest: 0.1 }, timeoutMs: 5000 },
    warn: (message) => warnings.push(message),
    scheduler,
  });
  onTestFinished(() => rule.close());
  return { rule, warnings, scheduler };
}

/** A module that defines a rule without the package. */
async function moduleOf(made: string): Promise<string> {
  const path = join(await temporaryFolder(), 'rule.mjs');
  await writeFile(path, `export default { kind: 'serving rule', fields: {}, create: () => (${made}) };`);
  return path;
}

it('should let a module judge prompts, and pictures by their pixels', async () => {
  const { rule, warnings } = await opened(resolve('examples/own/serving-rule.js'));
  await rule.prompt(requestOf('a red circle'));
  await expect(rule.prompt(requestOf('a GUN'))).rejects.toMatchObject({
    code: 'prompt-not-allowed',
    message: expect.stringContaining('got the word "gun".'),
  });
  await rule.pictures(groupOf('a red circle', 255, 90));
  await expect(rule.pictures(groupOf('a red circle', 255, 3))).rejects.toMatchObject({
    code: 'pictures-not-allowed',
    message: expect.stringContaining('a picture that is nearly black'),
  });
  expect(rule.counts).toEqual({ refused: 2, unjudged: 0 });
  expect(warnings).toEqual([]);
});

it('should serve nothing that its module cannot judge, and go on', async () => {
  const module = await moduleOf(`{
    prompt: async ({ prompt, user }) => {
      if (prompt === 'throw') throw new Error('no idea');
      if (prompt === 'crash') return new Promise(() => setTimeout(() => { throw new Error('out of it'); }));
      return prompt === 'user' ? user : prompt === 'none' ? undefined : prompt === 'empty' ? ' ' : null;
    },
  }`);
  const { rule, warnings } = await opened(module);
  for (const prompt of ['throw', 'none', 'empty', 'crash'])
    await expect(rule.prompt(requestOf(prompt))).rejects.toMatchObject({ code: 'rule-failed' });
  expect(warnings).toEqual([
    expect.stringMatching(/serve.rule .*: expected it to judge a prompt, got ".*"Error: no idea"/),
    expect.stringMatching(/expected prompt to return null, or why it may not be served, got \\?"undefined/),
    expect.stringMatching(
      /thread "serving-rule": expected to serve until closed, got out of it.* so far 4\.$/,
    ),
  ]);
  await expect(rule.prompt(requestOf('user'))).rejects.toMatchObject({ code: 'prompt-not-allowed' });
  await rule.prompt(requestOf('a red circle'));
  await rule.pictures(groupOf('a red circle', 0));
  expect(rule.counts).toEqual({ refused: 1, unjudged: 4 });
});

it('should not wait longer than it may for an answer', async () => {
  const module = await moduleOf(`{
    prompt: ({ prompt, signal }) => prompt === 'slow'
      ? new Promise((resolve) => signal.addEventListener('abort', () => resolve(null)))
      : null,
  }`);
  const { rule, warnings, scheduler } = await opened(module);
  const asked = rule.prompt(requestOf('slow'));
  const refused = vi.fn();
  asked.catch(refused);
  await rule.prompt(requestOf('quick'));
  scheduler.maxFrames = 4999;
  scheduler.flush();
  await rule.prompt(requestOf('quick'));
  expect(refused).not.toHaveBeenCalled();
  scheduler.maxFrames = 5000;
  scheduler.flush();
  await expect(asked).rejects.toMatchObject({ code: 'rule-failed' });
  expect(warnings).toEqual([expect.stringContaining('got nothing within 5000 ms.')]);
});

it.each([
  ['judges nothing', '{}', /expected create to return a function prompt, or pictures, or both/],
  ['throws', '(() => { throw new Error("no idea"); })()', /expected create to return, got "Error: no idea"/],
])('should not open where its module %s', async (_, made, message) => {
  await expect(opened(await moduleOf(made))).rejects.toThrow(message);
});
