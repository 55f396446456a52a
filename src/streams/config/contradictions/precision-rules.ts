/** @file Whether what runs the graphs can compute in the precision that is asked for. */
import { type ConfigRule, contradiction } from './config-rule.js';

/** TensorFlow.js has no half-precision type. */
const tfjsIsSingle: ConfigRule = ({ model, engine }) => {
  if (model.precision === 'float32') return [];
  const path = ['model', 'precision'];
  return (['sampler', 'trainer'] as const).flatMap((stage) =>
    engine[stage] === 'tfjs'
      ? [
          contradiction(
            path,
            `float32 for TensorFlow.js, which has no half precision and runs the ${stage}`,
            model.precision,
            `Set it to float32, or engine.${stage}: onnxruntime.`,
            [['engine', stage]],
          ),
        ]
      : [],
  );
};

export const PRECISION_RULES: readonly ConfigRule[] = [tfjsIsSingle];
