import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readPipelineFolder } from '../../../src/models/pipeline/pipeline-folder.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
import { writeTinyPipeline } from '../../fixtures/tiny-pipeline.js';
import { callCli } from '../call-cli.js';

test('should write a flow, say where, and refuse to write there again', async () => {
  const folder = await temporaryFolder();
  const [pipeline, out] = [join(folder, 'epsilon'), join(folder, 'flow')];
  await writeTinyPipeline(pipeline);
  const args = ['reparameterize', pipeline, '--as', 'flow', '--out', out];
  expect(await callCli(args)).toEqual({ code: 0, stdout: `${out}\n`, stderr: '' });
  expect((await readPipelineFolder(out)).scheduler.predictionType).toBe('flow');
  expect(await callCli(args)).toEqual({
    code: 2,
    stdout: '',
    stderr: `error: ${out}: expected an empty or a new folder, got one with files. Choose another, or empty it.\n`,
  });
});

test('should list what a model can be made to predict', async () => {
  const { code, stderr } = await callCli(['reparameterize', 'models/shapes', '--as', 'sample', '--out', 'x']);
  expect(code).toBe(2);
  expect(stderr).toContain('Allowed choices are v_prediction, flow.');
});
