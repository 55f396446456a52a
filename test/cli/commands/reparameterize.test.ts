import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readPipelineFolder } from '../../../src/models/pipeline/pipeline-folder.js';
import { checkpointFile } from '../../fixtures/checkpoint-files.js';
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

test('should name the way of a model whose weights are safetensors, in a folder and in one file', async () => {
  const out = join(await temporaryFolder(), 'out');
  const refusal = async (pipeline: string) =>
    (await callCli(['reparameterize', pipeline, '--as', 'flow', '--out', out])).stderr;
  const folder = 'test/fixtures/stable-diffusion/sd1';
  expect(await refusal(folder)).toBe(
    `error: ${folder}/unet/diffusion_pytorch_model.safetensors: expected a UNet in ONNX form, to which nodes are added, got weights as safetensors. Export it with optimum: \`optimum-cli export onnx --model ${folder} <onnx folder>\`.\n`,
  );
  const file = await checkpointFile('sd1');
  expect(await refusal(file)).toBe(
    `error: ${file}: expected a UNet in ONNX form, to which nodes are added, got a checkpoint in one file. Write it as a folder, \`tributary convert ${file} <folder>\`, and export that with optimum: \`optimum-cli export onnx --model <folder> <onnx folder>\`.\n`,
  );
});

test('should list what a model can be made to predict', async () => {
  const { code, stderr } = await callCli(['reparameterize', 'models/shapes', '--as', 'sample', '--out', 'x']);
  expect(code).toBe(2);
  expect(stderr).toContain('Allowed choices are v_prediction, flow.');
});
