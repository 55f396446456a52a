import { createSurrogate } from '../../models/objectives/index.js';
import { brokersOf } from './resolved/brokers.js';
import { type DerivedSizes, deriveSizes } from './resolved/derived-sizes.js';
import type { ModelFacts } from './resolved/model-facts.js';
import { stageOf } from './resolved/stage-of.js';
import type { ResolvedConfig, StageConfig } from './schema/topology-schema.js';

type Updates = StageConfig<'trainer'>['updates'];

/**
 * Returns the derived quantities of a run as lines to print at its start, name and value.
 * @param model - what is known of the config's model.
 * @param env - where brokers stand that the config does not name.
 *
 * Errors: TRIB_CONFIG where they are no addresses.
 */
export function describeTopology(
  config: ResolvedConfig,
  model: ModelFacts = {},
  env: Readonly<Record<string, string | undefined>> = process.env,
): readonly (readonly [name: string, value: string])[] {
  const prompts = stageOf(config, 'prompts');
  const sampler = stageOf(config, 'sampler');
  const trainer = stageOf(config, 'trainer');
  const sizes = deriveSizes(config, model);
  const count = (value: number) => value.toLocaleString('en-US');
  const { updates } = trainer;
  const { closeAfterMs } = stageOf(config, 'advantages');
  // An interval that waits forks later, and a later fork costs fewer rows.
  const mostSampling = stageOf(config, 'schedule').mode === 'correlation' ? 'at most ' : '';
  return [
    ['seed', String(config.seed)],
    ['transport', describeTransport(config, env)],
    ['engine', describeEngine(config.engine)],
    ...describePrecision(config),
    [
      'images a round',
      `${count(sizes.imagesPerRound)} (${prompts.groupsPerRound} groups x ${sizes.imagesPerRound / prompts.groupsPerRound} branches)`,
    ],
    ...(closeAfterMs === undefined
      ? []
      : [
          [
            'a round closes',
            `when all groups are in, or ${count(closeAfterMs)} ms after its first reward`,
          ] as const,
        ]),
    ...describePlan(config),
    ['reward queries', `${count(sizes.rewardQueries)} in ${count(prompts.numRounds)} rounds`],
    ['images an evaluation', count(sizes.imagesPerEvaluation)],
    ['trained steps', describeTrainedSteps(config, sizes, sampler.numInferenceSteps, model)],
    [
      'optimizer steps a round',
      `at most ${count(sizes.optimizerStepsPerRound)} (${
        updates.from === 'replay'
          ? `${updates.transitionsPerUpdate} transitions${describeDraws(updates)} of a buffer of ${count(updates.capacity)}`
          : `${count(sizes.selectableSamples)} samples, innerEpochs ${updates.innerEpochs}, ${updates.samplesPerUpdate} samples a step${describeRemainder(updates)}`
      })`,
    ],
    ...(sizes.optimizerStepsPerRound === 1 ? describeRatios(trainer) : []),
    [
      'UNet evaluations',
      `${mostSampling}${count(sizes.samplingEvaluations)} sampling, at most ${count(sizes.trainingEvaluations)} training`,
    ],
  ];
}

/** The brokers too, and who names them. */
function describeTransport(
  { transport: { kind, kafka } }: ResolvedConfig,
  env: Readonly<Record<string, string | undefined>>,
): string {
  if (kind !== 'kafka') return kind;
  const { addresses, source } = brokersOf(kafka, env);
  return `${kind} at ${addresses.join(', ')} (by ${source})`;
}

/** Only where schedules are spread over other rounds than those of the run. */
function describePlan(config: ResolvedConfig): (readonly [string, string])[] {
  const { numRounds, plannedRounds = numRounds } = stageOf(config, 'prompts');
  if (plannedRounds === numRounds) return [];
  const [planned, all] = [plannedRounds, numRounds].map((value) => value.toLocaleString('en-US'));
  const spread =
    plannedRounds < numRounds
      ? `spread over ${planned} of the ${all} rounds; the later ones keep their last values`
      : `spread over ${planned} rounds, of which the run has ${all}`;
  return [['schedules', spread]];
}

const describeDraws = ({ drawsPerUpdate }: Extract<Updates, { from: 'replay' }>) =>
  drawsPerUpdate === 1 ? '' : ` in ${drawsPerUpdate} draws`;

/** What surprises in the figures of a run with one step a round. Older groups and replayed ones have other ratios. */
function describeRatios({
  surrogate,
  updates,
  maxStaleness,
}: StageConfig<'trainer'>): (readonly [string, string])[] {
  const { clipRange, trainsOn } = createSurrogate(surrogate);
  if (clipRange === null || trainsOn === 'denoising' || updates.from === 'replay' || maxStaleness > 0)
    return [];
  return [
    [
      'ratios',
      'all 1, as one step a round is taken at the policy that sampled (docs/algorithms/b2-diffurl.md)',
    ],
  ];
}

/** What becomes of samples that fill no step. */
function describeRemainder({
  remainder,
  innerEpochs,
  samplesPerUpdate,
}: Extract<Updates, { from: 'round' }>): string {
  if (remainder === 'train') return '';
  if (remainder === 'drop' || innerEpochs === 1) return '; what fills no step of a pass is left out';
  return `; up to ${samplesPerUpdate - 1} samples are carried into the next pass, or left out after the last`;
}

/** `cpu; 2 threads`, and what runs on TensorFlow.js where anything does. */
function describeEngine({ providers, threads, tfjs, ...engines }: ResolvedConfig['engine']): string {
  const onTfjs = (['sampler', 'trainer'] as const).filter((stage) => engines[stage] === 'tfjs');
  const who = onTfjs.length === 0 ? '' : `; tfjs for ${onTfjs.join(' and ')}: ${tfjs.backends.join(', ')}`;
  return `${providers.join(', ')}; ${threads} threads${who}`;
}

/** Only where it is not what is expected. */
function describePrecision({ model, engine }: ResolvedConfig): (readonly [string, string])[] {
  if (model.precision === 'float32') return [];
  const isOnGpu = engine.providers.some((provider) => provider !== 'cpu');
  const onCpu = ' (on the CPU slower than float32, for trials: set engine.providers: [webgpu] or [cuda])';
  return [['precision', `${model.precision}${isOnGpu ? '' : onCpu}`]];
}

/** The steps of the schedule, and where the last of them draws no noise how many are left. */
function describeTrainedSteps(
  config: ResolvedConfig,
  { trainedSteps: { first, last } }: DerivedSizes,
  numInferenceSteps: number,
  { noisySteps = numInferenceSteps }: ModelFacts,
): string {
  const named = deriveSizes(config).trainedSteps;
  const byEvidence = stageOf(config, 'schedule').mode === 'correlation' ? ', by correlation' : '';
  const scheduled = `${describeSteps(named, numInferenceSteps)}${byEvidence}`;
  if (first.length === named.first.length && last.length === named.last.length) return scheduled;
  const edges = first.length === last.length ? `${first.length}` : `${first.length} to ${last.length}`;
  return `${edges}: ${scheduled}, without step ${noisySteps}, which arrives at the clean picture and draws no noise`;
}

/** `the last 7, growing to 10, of 10`, `the first 9 of 10`, or the steps themselves where they are neither. */
function describeSteps({ first, last }: DerivedSizes['trainedSteps'], numInferenceSteps: number): string {
  const areLast = [first, last].every((steps) => steps[0] === numInferenceSteps - steps.length);
  if (areLast) {
    const growth = first.length === last.length ? '' : `, growing to ${last.length},`;
    return `the last ${first.length}${growth} of ${numInferenceSteps}`;
  }
  const areFirst = [first, last].every((steps) => steps.length > 1 && steps.at(-1) === steps.length - 1);
  if (areFirst && first.length === last.length) return `the first ${first.length} of ${numInferenceSteps}`;
  const later = first.join() === last.join() ? '' : `, then to ${last.join(', ')}`;
  return `${first.join(', ')}${later} of 0..${numInferenceSteps - 1}`;
}
