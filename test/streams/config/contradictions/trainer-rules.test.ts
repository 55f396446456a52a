import { describe, expect, it } from 'vitest';
import { lintTopology } from '../../../../src/streams/config/lint-topology.js';
import { type StageSettings, textWith } from '../faults-with.js';
import { withLine } from '../valid-config.js';

/** What lint says of the smallest config with other settings of model, engine and trainer. */
function faultsOf(model: string, engine: string, settings: StageSettings): string[] {
  const whole = `${withLine('model:', `model: { pipeline: models/shapes, ${model} }`, textWith(settings))}engine: { ${engine} }\n`;
  return lintTopology(whole, 'a.yaml').faults.map(({ message }) => message);
}

const BLOCKS = { trainer: 'gradientCheckpointing: blocks' };

describe('TRAINER_RULES', () => {
  it.each<[about: string, model: string, engine: string, settings: StageSettings, messages: string[]]>([
    [
      'rates of A and B where there is no adapter',
      'train: full',
      '',
      { trainer: 'loraPlusRatio: 16' },
      [
        'a.yaml:9:44 stages.trainer.loraPlusRatio: expected 1 with model.train: full, where no adapter has an A and a B, got 16. Set it to 1, or train an adapter.',
      ],
    ],
    [
      'text encoders to adapt where all weights of the UNet are trained',
      'train: full, lora: { textEncoder: q_proj }',
      '',
      {},
      [
        'a.yaml:2:69 model.lora.textEncoder: expected none with model.train: full, which trains the weights of the UNet alone, got "q_proj". Leave it out, or train an adapter.',
      ],
    ],
    [
      'a start to compare with that is not there',
      '',
      '',
      { trainer: 'reference: start' },
      [
        'a.yaml:9:40 stages.trainer.reference: expected base without model.startFrom, as the run starts from the base model, got start. Name the adapter that it starts from in model.startFrom, or leave the reference out.',
      ],
    ],
    [
      'blocks that a tape would keep anyway',
      '',
      'trainer: tfjs',
      BLOCKS,
      [
        'a.yaml:9:52 stages.trainer.gradientCheckpointing: expected off with the tape of TensorFlow.js, which keeps the whole forward pass, got blocks. Set engine.tfjs.gradients: graph, or leave it off.',
      ],
    ],
  ])('should report %s', (_, model, engine, settings, messages) => {
    expect(faultsOf(model, engine, settings)).toEqual(messages);
  });

  it.each<[about: string, model: string, engine: string, settings: StageSettings]>([
    ['rates of A and B of an adapter', 'train: adapter', '', { trainer: 'loraPlusRatio: 16' }],
    ['all weights at one rate', 'train: full', '', { trainer: 'loraPlusRatio: 1' }],
    ['a start to compare with', 'startFrom: a.safetensors', '', { trainer: 'reference: start' }],
    ['no negative prompt, by its name', '', '', { sampler: "negativePrompt: ''" }],
    ['blocks on onnxruntime, whatever samples', '', 'sampler: tfjs', BLOCKS],
    ['blocks in the backward graph on tfjs', '', 'trainer: tfjs, tfjs: { gradients: graph }', BLOCKS],
  ])('should accept %s', (_, model, engine, settings) => {
    expect(faultsOf(model, engine, settings)).toEqual([]);
  });
});
