/** @file A sampler process as it is, but for the model: a batch takes a fixed time, and no processor. */
import { setTimeout as wait } from 'node:timers/promises';
import { samplerStage } from '../../dist/streams/stages/sampler/sampler-stage.js';
import { openTransport } from '../../dist/streams/transport/open-transport.js';

process.once('message', async ({ config, batchMs }) => {
  const { transport } = await openTransport({ config, trainer: null, warn: (text) => console.error(text) });
  const group = {
    tree: { firstStep: 9, widths: [1, 1] },
    branches: [
      {
        trajectory: { firstStep: 9, latents: new Float32Array(2 * 768), logProbs: new Float32Array(1) },
        image: new Float32Array(768),
      },
    ],
  };
  const sampler = {
    imageShape: [3, 16, 16],
    baseParameters: {},
    checkPrompts: async (prompts) => prompts.map(() => null),
    withPolicy: async (_, work) =>
      work({
        rollout: async ({ requests }) => {
          await wait(batchMs);
          return requests.map(() => group);
        },
      }),
  };
  const never = new AbortController().signal;
  samplerStage(
    {
      config,
      transport,
      firstRound: 0,
      say: () => undefined,
      stopping: never,
      canceling: never,
      learningRateScale: () => 1,
    },
    sampler,
  ).subscribe({ error: (error) => console.error(error) });
});
