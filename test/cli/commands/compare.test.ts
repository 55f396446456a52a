import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
import { undisturbedTiny } from '../../fixtures/undisturbed-tiny.js';
import { callCli } from '../call-cli.js';

test('should draw the same prompt from the same noise with the policy of each run', async () => {
  const { path, copyWhole } = await undisturbedTiny();
  const folder = await temporaryFolder();
  const [copy, out] = [join(folder, 'copy'), join(folder, 'compare.html')];
  await copyWhole(copy);
  const prompt = 'three green triangles';
  const result = await callCli(['compare', path, copy, '--prompt', prompt, '--out', out]);
  expect(result).toEqual({ code: 0, stdout: `${out}\n`, stderr: '' });
  const html = await readFile(out, 'utf8');
  const [base, one, other] = [0, 1, 2].map(
    (column) => html.split(`.p${column}{`)[1]?.match(/base64,[^)]*/)?.[0],
  );
  expect(base).toMatch(/^base64,iVBORw0/);
  expect(one).not.toBe(base);
  expect(other).toBe(one);
  expect(html).toContain(`aria-label="${prompt}, copy"`);
});
