/** @file Whether the sizes of pictures fit what draws, scores and trains them. */
import { sizeName } from '../../../models/rollouts/sized-sampler.js';
import { findStage } from '../resolved/stage-of.js';
import { type ConfigRule, contradiction } from './config-rule.js';

const bucketsAreTheSizes: ConfigRule = (config) => {
  const sampler = findStage(config, 'sampler');
  if (!sampler?.buckets) return [];
  const buckets = ['stages', sampler.name, 'buckets'];
  return (['width', 'height'] as const).flatMap((side) => {
    const { [side]: value } = sampler;
    if (value === undefined) return [];
    const expected = `no ${side} beside buckets, which are all the sizes of a run`;
    const nextStep =
      'Remove it, or add its size to the buckets; evaluation.width and height are those of evaluations.';
    return [
      contradiction(['stages', sampler.name, side], { expected, got: String(value), nextStep }, [buckets]),
    ];
  });
};

const bucketsDiffer: ConfigRule = (config) => {
  const { name = '', buckets = [] } = findStage(config, 'sampler') ?? {};
  const sizes = buckets.map(sizeName);
  return sizes.flatMap((size, index) => {
    if (sizes.indexOf(size) === index) return [];
    const path = ['stages', name, 'buckets', index];
    const nextStep = 'Remove it, and raise the weight of the first.';
    return [contradiction(path, { expected: 'sizes that differ', got: `${size} again`, nextStep })];
  });
};

const aBucketCanBeDrawn: ConfigRule = (config) => {
  const { name = '', buckets } = findStage(config, 'sampler') ?? {};
  if (!buckets || buckets.some(({ weight }) => weight > 0)) return [];
  const nextStep = 'Give one a weight: a prompt without a size of its own is given it.';
  return [
    contradiction(['stages', name, 'buckets'], { expected: 'a weight above 0', got: 'none', nextStep }),
  ];
};

/** The network reads the latents themselves. */
const valuesAreOfOneSize: ConfigRule = (config) => {
  const [sampler, trainer] = [findStage(config, 'sampler'), findStage(config, 'trainer')];
  if (!sampler?.buckets || !trainer || trainer.value.type !== 'network') return [];
  const path = ['stages', trainer.name, 'value', 'type'];
  const expected = 'none beside buckets, as the network reads latents of one size';
  const nextStep = `Set it to none, or set stages.${sampler.name}.width and height in place of buckets.`;
  return [contradiction(path, { expected, got: 'network', nextStep }, [['stages', sampler.name, 'buckets']])];
};

const verifiedPicturesAreOfOneSize: ConfigRule = (config) => {
  const sampler = findStage(config, 'sampler');
  if (!sampler?.buckets || config.evaluation.verifier === 'none') return [];
  const path = ['evaluation', 'verifier'];
  const expected = 'none beside buckets, as it reads pictures of one size';
  const got = config.evaluation.verifier;
  return [
    contradiction(path, { expected, got, nextStep: 'Set it to none.' }, [
      ['stages', sampler.name, 'buckets'],
    ]),
  ];
};

export const SIZE_RULES: readonly ConfigRule[] = [
  bucketsAreTheSizes,
  bucketsDiffer,
  aBucketCanBeDrawn,
  valuesAreOfOneSize,
  verifiedPicturesAreOfOneSize,
];
