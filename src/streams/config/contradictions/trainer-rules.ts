/** @file Whether the trainer's settings have an effect, and whether the engines have the requested precision. */
import { findStage } from '../resolved/stage-of.js';
import { type ConfigRule, contradiction } from './config-rule.js';

const loraPlusHasAnAdapter: ConfigRule = (config) => {
  const trainer = findStage(config, 'trainer');
  if (!trainer || config.model.train !== 'full' || trainer.loraPlusRatio === 1) return [];
  const path = ['stages', trainer.name, 'loraPlusRatio'];
  const expected = '1 with model.train: full, where no adapter has an A and a B';
  const got = String(trainer.loraPlusRatio);
  return [
    contradiction(path, { expected, got, nextStep: 'Set it to 1, or train an adapter.' }, [
      ['model', 'train'],
    ]),
  ];
};

/** With all weights of the UNet, `lora` is ignored; text encoders that someone wants trained would not be, without a word. */
const textsAreAdapted: ConfigRule = ({ model }) => {
  if (model.train !== 'full' || model.lora.textEncoder === undefined) return [];
  const expected = 'none with model.train: full, which trains the weights of the UNet alone';
  const nextStep = 'Leave it out, or train an adapter.';
  const said = { expected, got: JSON.stringify(model.lora.textEncoder), nextStep };
  return [contradiction(['model', 'lora', 'textEncoder'], said, [['model', 'train']])];
};

/** Who compares with the start means an adapter; without one the base would take its place without a word. */
const referenceIsThere: ConfigRule = (config) => {
  const trainer = findStage(config, 'trainer');
  if (trainer?.reference !== 'start' || config.model.startFrom !== undefined) return [];
  const expected = 'base without model.startFrom, as the run starts from the base model';
  const nextStep = 'Name the adapter that it starts from in model.startFrom, or leave the reference out.';
  const path = ['stages', trainer.name, 'reference'];
  return [contradiction(path, { expected, got: trainer.reference, nextStep }, [['model', 'startFrom']])];
};

/** Recomputation is part of this program's backward graph; a tape keeps everything anyway. */
const checkpointingHasABackwardGraph: ConfigRule = (config) => {
  const trainer = findStage(config, 'trainer');
  if (!trainer || trainer.gradientCheckpointing === 'off') return [];
  if (config.engine.trainer !== 'tfjs' || config.engine.tfjs.gradients !== 'tape') return [];
  const path = ['stages', trainer.name, 'gradientCheckpointing'];
  const expected = 'off with the tape of TensorFlow.js, which keeps the whole forward pass';
  const nextStep = 'Set engine.tfjs.gradients: graph, or leave it off.';
  const others = [
    ['engine', 'trainer'],
    ['engine', 'tfjs', 'gradients'],
  ];
  return [contradiction(path, { expected, got: trainer.gradientCheckpointing, nextStep }, others)];
};

/** TensorFlow.js has no half-precision type. */
const tfjsIsSingle: ConfigRule = ({ model, engine }) => {
  if (model.precision === 'float32') return [];
  const path = ['model', 'precision'];
  return (['sampler', 'trainer'] as const).flatMap((stage) =>
    engine[stage] === 'tfjs'
      ? [
          contradiction(
            path,
            {
              expected: `float32 for TensorFlow.js, which has no half precision and runs the ${stage}`,
              got: model.precision,
              nextStep: `Set it to float32, or engine.${stage}: onnxruntime.`,
            },
            [['engine', stage]],
          ),
        ]
      : [],
  );
};

export const TRAINER_RULES: readonly ConfigRule[] = [
  tfjsIsSingle,
  loraPlusHasAnAdapter,
  textsAreAdapted,
  referenceIsThere,
  checkpointingHasABackwardGraph,
];
