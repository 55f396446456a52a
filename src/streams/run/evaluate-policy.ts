/** @file How a policy does on fixed prompts from fixed noise. */

import { at } from '../../at.js';
import { TributaryError } from '../../errors.js';
import { inOrder } from '../../models/engines/chunks.js';
import type { PictureStatistics } from '../../models/images/picture-statistics.js';
import { spreadOf } from '../../models/numeric/spread.js';
import { parsePromptOrNull } from '../../models/shapes/prompts/parse-prompt.js';
import { isReward } from '../../operators/records/reward-fault.js';
import { metadataPart, negativePart } from '../../prompt-metadata.js';
import { rewardBound, trainedStages } from '../config/resolved/reward-parts.js';
import { findStage } from '../config/resolved/stage-of.js';
import type { ResolvedConfig } from '../config/schema/topology-schema.js';
import type { PolicySnapshot } from '../messages/messages.js';
import type { ListedPrompt } from '../messages/prompts.js';
import type { Evaluation, PromptSetEvaluation, TemplateAlignment } from '../messages/run-events.js';
import type { PromptFile } from '../prompt-files/prompt-file.js';
import { groupsAtOnce } from '../stages/reward/groups-at-once.js';
import type { Scores } from '../stages/reward/reward-thread.js';
import type { ScorePictures } from '../stages/reward/scorers.js';
import type { SamplerClient } from '../stages/sampler/client.js';
import { type GoldReward, measureGold } from './gold-rewards.js';

interface EvaluationOptions {
  readonly config: ResolvedConfig;
  readonly sampler: SamplerClient;
  readonly score: ScorePictures;
  /** What is measured beside the reward that is trained on. */
  readonly gold: readonly GoldReward[];
  readonly policy: PolicySnapshot;
  /** The config says how many of each list are measured; weights do not matter. */
  readonly prompts: {
    readonly train: Pick<PromptFile, 'prompts'>;
    readonly heldOut: Pick<PromptFile, 'prompts'>;
  };
  readonly signal?: AbortSignal | undefined;
  /** Takes a warning about rewards that were left out. */
  readonly warn: (message: string) => void;
  /** Milliseconds from some origin. */
  readonly now: () => number;
}

/** What was measured on a list of prompts. */
interface MeasuredList {
  readonly scored: readonly ScoredPrompt[];
  readonly gold: PromptSetEvaluation['gold'];
  readonly pictures: PromptSetEvaluation['pictures'];
}

interface ScoredPrompt extends Scores {
  readonly prompt: string;
}

/** Held-out pictures start from other noise than training ones. */
const HELD_OUT_OFFSET = 1_000_000;

/**
 * Draws imagesPerPrompt pictures of every prompt and measures reward, verified alignment and diversity within prompts. A
 * reward that is not finite, or beyond `maxMagnitude`, is left out with a warning. Diversity is not measured if the reward
 * gives no features of some pictures.
 *
 * Errors: TRIB_REWARD if no reward of a list is left; those of the reward and of the gold rewards.
 */
export async function evaluatePolicy(options: EvaluationOptions): Promise<Evaluation> {
  const { config, policy, prompts, now } = options;
  const startedAt = now();
  const { trainPrompts, heldOutPrompts } = config.evaluation;
  const lists = [
    { name: 'training prompts', prompts: prompts.train.prompts.slice(0, trainPrompts), offset: 0 },
    {
      name: 'held-out prompts',
      prompts: prompts.heldOut.prompts.slice(0, heldOutPrompts),
      offset: HELD_OUT_OFFSET,
    },
  ];
  const measured: MeasuredList[] = [];
  // The second list is drawn while the first is scored.
  for await (const drawn of inOrder(lists, lists.length, (list) => drawPrompts(options, list)))
    measured.push(await measureList(options, drawn));
  const [train, heldOut] = [at(measured, 0), at(measured, 1)];
  return {
    policyVersion: policy.version,
    round: policy.version,
    train: summarize(options, at(lists, 0).name, train),
    heldOut: summarize(options, at(lists, 1).name, heldOut),
    ...(config.evaluation.verifier === 'shapes'
      ? { byTemplate: alignmentByTemplate(train.scored, heldOut.scored) }
      : {}),
    seconds: (now() - startedAt) / 1000,
  };
}

interface PromptList {
  /** For messages. */
  readonly name: string;
  readonly prompts: readonly ListedPrompt[];
  /** The group whose noise the first picture has. */
  readonly offset: number;
}

interface DrawnPrompts extends PromptList {
  /** Those of each prompt after those of the one before. */
  readonly pictures: readonly Float32Array[];
  /** Of each picture; absent where the guard is off that looks at them. */
  readonly statistics?: readonly PictureStatistics[];
}

async function drawPrompts(
  { config, sampler, policy, signal }: EvaluationOptions,
  list: PromptList,
): Promise<DrawnPrompts> {
  const { imagesPerPrompt } = config.evaluation;
  const requests = list.prompts.flatMap(({ prompt, metadata }, row) =>
    Array.from({ length: imagesPerPrompt }, (_, image) => ({
      groupIndex: list.offset + row * imagesPerPrompt + image,
      prompt,
      ...negativePart(metadata),
    })),
  );
  const draw = (portion: typeof requests) =>
    sampler.withPolicy(policy, async (call): Promise<Pick<DrawnPrompts, 'pictures' | 'statistics'>> => {
      if (config.guards.pictureDrift.action === 'off')
        return { pictures: await call.samplePictures({ requests: portion }, { signal }) };
      return call.measurePictures({ requests: portion }, { signal });
    });
  // Whole batches, so that the pictures are the same; between portions people get theirs.
  const size = findStage(config, 'gateway') ? BATCHES_AT_ONCE * sampler.evaluationBatch : requests.length;
  const drawn = [];
  for (let start = 0; start < requests.length; start += size)
    drawn.push(await draw(requests.slice(start, start + size)));
  const statistics = drawn.flatMap((portion) => portion.statistics ?? []);
  return {
    ...list,
    pictures: drawn.flatMap(({ pictures }) => pictures),
    ...(statistics.length > 0 && { statistics }),
  };
}

/** Of a portion, which the sampler may overlap. */
const BATCHES_AT_ONCE = 4;

/** Mean and standard deviation of each statistic over the pictures. */
function spreads(statistics: readonly PictureStatistics[]): PromptSetEvaluation['pictures'] {
  const spread = (name: keyof PictureStatistics) => spreadOf(statistics.map((one) => one[name]));
  return {
    edgeDensity: spread('edgeDensity'),
    colorEntropy: spread('colorEntropy'),
    brightness: spread('brightness'),
    jpegKilobytes: spread('jpegKilobytes'),
  };
}

async function measureList(options: EvaluationOptions, drawn: DrawnPrompts): Promise<MeasuredList> {
  const { gold, warn, signal, sampler } = options;
  const scored = await scorePictures(options, drawn);
  const pictures = drawn.statistics && spreads(drawn.statistics);
  if (gold.length === 0) return { scored, gold: undefined, pictures };
  const of = { ...drawn, imageShape: sampler.evaluationShape, list: drawn.name, warn, signal };
  return { scored, pictures, gold: await measureGold(gold, of) };
}

async function scorePictures(
  { config, score: scoreAs, sampler: { evaluationShape: imageShape }, signal }: EvaluationOptions,
  { prompts, pictures }: DrawnPrompts,
): Promise<ScoredPrompt[]> {
  const { imagesPerPrompt } = config.evaluation;
  const scored: ScoredPrompt[] = [];
  const score = async ({ prompt, metadata }: ListedPrompt, row: number): Promise<ScoredPrompt> => {
    const images = pictures.slice(row * imagesPerPrompt, (row + 1) * imagesPerPrompt);
    return {
      prompt,
      ...(await scoreAs({ prompt, images, imageShape, ...metadataPart(metadata) }, { signal })),
    };
  };
  const atOnce = Math.min(...trainedStages(config).map(groupsAtOnce));
  const scores = inOrder(prompts.entries(), atOnce, ([row, prompt]) => score(prompt, row));
  for await (const one of scores) scored.push(one);
  return scored;
}

function summarize(
  { config, warn }: EvaluationOptions,
  list: string,
  { scored, gold, pictures }: MeasuredList,
): PromptSetEvaluation {
  const rewards = scored.flatMap((one) => one.rewards);
  const maxMagnitude = rewardBound(config);
  const right = rewards.filter((reward) => isReward(reward, maxMagnitude));
  const wrong = `evaluation of ${list}: expected rewards from -${maxMagnitude.toExponential()} to ${maxMagnitude.toExponential()}`;
  const combine = findStage(config, 'combine');
  const checked = combine
    ? `the weights of stages.${combine.name} and its rewards`
    : 'the reward model and maxMagnitude of the reward stage';
  if (right.length === 0)
    throw new TributaryError(
      'TRIB_REWARD',
      `${wrong}, got none of ${rewards.length}. Check ${checked}, or resume from the last checkpoint with a smaller learningRate.`,
    );
  if (right.length < rewards.length)
    warn(
      `${wrong}, got ${rewards.find((reward) => !isReward(reward, maxMagnitude))} among ${rewards.length}; the mean leaves out ${rewards.length - right.length}`,
    );
  const verdicts = verdictsOf(scored);
  const unverified = config.evaluation.verifier === 'none' ? 0 : scored.length - verified(scored).length;
  const diversities = allOf(scored.map((one) => one.diversity));
  return {
    prompts: scored.length,
    images: rewards.length,
    rewardMean: mean(right),
    ...(unverified > 0 && { unverifiedPrompts: unverified }),
    ...partMeans(scored),
    ...(gold && { gold }),
    ...(pictures && { pictures }),
    verifiedAlignment: alignmentOf(scored),
    verifierScore: verdicts && mean(verdicts.map(({ score }) => score)),
    diversity: diversities && mean(diversities),
  };
}

/** The mean of each part, over the pictures that have it. */
function partMeans(scored: readonly ScoredPrompt[]): Pick<PromptSetEvaluation, 'rewardParts'> {
  const all = scored.flatMap(({ parts = [] }) => parts);
  if (all.length === 0) return {};
  const names = [...new Set(all.map(({ name }) => name))];
  const meanOf = (name: string) => mean(all.flatMap((part) => (part.name === name ? part.rewards : [])));
  return { rewardParts: Object.fromEntries(names.map((name) => [name, meanOf(name)])) };
}

/** The verdicts on the pictures of each prompt that the verifier can read. */
const verified = (scored: readonly ScoredPrompt[]) =>
  scored.flatMap(({ verdicts }) => (verdicts ? [verdicts] : []));

/** The verdicts on all pictures that have one; null where none has. */
function verdictsOf(scored: readonly ScoredPrompt[]) {
  const verdicts = verified(scored).flat();
  return verdicts.length === 0 ? null : verdicts;
}

function alignmentOf(scored: readonly ScoredPrompt[]): number | null {
  const verdicts = verdictsOf(scored);
  return verdicts && mean(verdicts.map(({ satisfied }) => (satisfied ? 1 : 0)));
}

function alignmentByTemplate(
  train: readonly ScoredPrompt[],
  heldOut: readonly ScoredPrompt[],
): Record<string, TemplateAlignment> {
  const templateOf = ({ prompt }: ScoredPrompt) => parsePromptOrNull(prompt)?.template;
  const found = [...train, ...heldOut].flatMap((one) => templateOf(one) ?? []);
  const templates = [...new Set(found)].sort();
  const alignment = (scored: readonly ScoredPrompt[], template: string) => {
    const matching = scored.filter((one) => templateOf(one) === template);
    return matching.length === 0 ? null : alignmentOf(matching);
  };
  return Object.fromEntries(
    templates.map((template) => [
      template,
      { train: alignment(train, template), heldOut: alignment(heldOut, template) },
    ]),
  );
}

/** The values, if none is missing. */
function allOf<Value>(values: readonly (Value | null)[]): Value[] | null {
  const present = values.filter((value) => value !== null);
  return present.length === values.length ? present : null;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
