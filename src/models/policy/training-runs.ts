/** @file Runs of the compiled training graph: what rows give, a minibatch at a time. */

import { at, named } from '../../at.js';
import { inOrder } from '../engines/chunks.js';
import { compileGraph } from '../engines/compile-graph.js';
import type { Engine, Provider, Tensors } from '../engines/contract/engine.js';
import { policyFeeds } from '../graph/weights/policy-feeds.js';
import { parameterNames as namesOf } from '../graph/weights/policy-network.js';
import type { NamedArrays } from '../optimizers/adamw.js';
import type { Pipeline } from '../pipeline/pipeline.js';
import { float32, float32Data } from '../tensor.js';
import { LOSS_SCALE, type PolicyGraph } from './policy-graph.js';
import type { TextPolicy } from './text-policy.js';
import type { TrainerSettings } from './trainer-settings.js';
import {
  arrange,
  minibatches,
  type RowTexts,
  type RowUnit,
  rowFeeds,
  shapeOf,
  sortedByShape,
  type TrainingRow,
} from './training-rows.js';
import type { TrainingStatisticsCollector } from './training-statistics.js';
import { openUpdateTexts, type UpdateTexts } from './update-texts.js';

/** One that is computed, and one whose rows are made in the meantime. */
const RUNS_PER_SHARD = 2;

/** What stays the same for all runs of an update. */
interface HeldPolicy {
  readonly parameters: NamedArrays;
  /** The policy that sampled the round. */
  readonly old: NamedArrays;
  /** The policy that the run started from, where it is compared with. */
  readonly start: NamedArrays | undefined;
  /** Scale of the loss, and so of the graph's gradients; 1 in single precision. */
  readonly scale: number;
}

export interface TrainingRuns {
  readonly provider: Provider;
  /** As `Executable.sessionThreads`. */
  readonly sessionThreads: number;
  readonly fallbacks: readonly string[];
  /** Whether the graph scales the loss, as in half precision. */
  readonly isScaled: boolean;
  /** Sums loss and gradients, unscaled, over the runs of an update. */
  sumGradients(
    units: readonly RowUnit[],
    policy: HeldPolicy,
    statistics: TrainingStatisticsCollector,
    signal?: AbortSignal,
  ): Promise<{ readonly loss: number; readonly gradients: NamedArrays }>;
  /** log π - log π_old of every unit's first row. */
  logRatios(units: readonly RowUnit[], parameters: NamedArrays, signal?: AbortSignal): Promise<Float32Array>;
  release(): Promise<void>;
}

interface Run {
  readonly minibatch: readonly RowUnit[];
  readonly rows: readonly TrainingRow[];
  readonly outputs: Tensors;
}

/** The training graph for pictures of one size. */
export interface SizedGraph {
  readonly pipeline: Pipeline;
  readonly policyGraph: PolicyGraph;
}

/**
 * Compiles the training graph. `text` is released with it.
 *
 * @param common for rows that do not name the shape of their latents.
 * @param sized for those that do.
 */
export async function openTrainingRuns(
  engine: Engine,
  common: SizedGraph,
  sized: readonly SizedGraph[],
  { lora, guidanceScale, minibatchSize }: TrainerSettings,
  text: TextPolicy | null,
): Promise<TrainingRuns> {
  const { pipeline, policyGraph } = common;
  const { ownReferences } = policyGraph;
  const compiled = await compileSizes(engine, common, sized);
  const { executable } = named(compiled, COMMON_SHAPE);
  const parameterNames = namesOf(policyGraph);
  const ownNames = ownReferences.flatMap((reference) => parameterNames.map((name) => `${reference}:${name}`));
  const held = new Set([...parameterNames, ...ownNames, LOSS_SCALE]);
  const rowInputs = executable.inputs.filter(({ name }) => !held.has(name));
  const isScaled = executable.inputs.some(({ name }) => name === LOSS_SCALE);
  const oneTimestepARun = rowInputs.find(({ name }) => name === 'timestep')?.shape.length === 0;

  const guided = pipeline.usesGuidance(guidanceScale);
  const byReader = ({ parameters, old, start }: HeldPolicy) => ({
    '': parameters,
    ...{ old, pretrained: start ?? parameters },
  });

  /** Null where the text encoders are frozen. */
  async function openTexts(units: readonly RowUnit[], policy: HeldPolicy): Promise<UpdateTexts | null> {
    if (!text) return null;
    const parts = { pipeline, policyGraph, text, guided };
    return openUpdateTexts(parts, units, (reader) => byReader(policy)[reader]);
  }

  function heldFeeds(policy: HeldPolicy): Tensors {
    const { parameters, scale } = policy;
    const of = byReader(policy);
    const ownFeeds = ownReferences.flatMap((reference) =>
      Object.entries(policyFeeds(policyGraph, of[reference], lora)).map(
        ([name, tensor]) => [`${reference}:${name}`, tensor] as const,
      ),
    );
    return {
      ...policyFeeds(policyGraph, parameters, lora),
      ...(isScaled && { [LOSS_SCALE]: float32([scale], []) }),
      ...Object.fromEntries(ownFeeds),
    };
  }

  const graphOf = (unit: RowUnit) => named(compiled, shapeOf(unit));

  /** Gives the graphs that the units need what they share. */
  async function hold(units: readonly RowUnit[], policy: HeldPolicy): Promise<void> {
    const feeds = heldFeeds(policy);
    for (const one of new Set(units.map((unit) => graphOf(unit).executable))) await one.hold(feeds);
  }

  /** Runs in the order of the rows, which fixes that of all sums; `shards` of them are computed side by side. */
  function runs(
    units: readonly RowUnit[],
    texts: RowTexts | undefined,
    signal?: AbortSignal,
  ): AsyncGenerator<Run> {
    const atOnce = RUNS_PER_SHARD * executable.shards;
    return inOrder(minibatches(units, minibatchSize, oneTimestepARun), atOnce, async (minibatch) => {
      const rows = arrange(minibatch, minibatchSize);
      const graph = graphOf(at(minibatch, 0));
      const feeds = await rowFeeds(graph.pipeline, rows, rowInputs, guidanceScale, texts);
      const outputs = await graph.executable.run(feeds, { signal, transfer: true });
      return { minibatch, rows, outputs };
    });
  }

  return {
    provider: executable.provider,
    sessionThreads: executable.sessionThreads,
    fallbacks: executable.fallbacks,
    isScaled,
    async sumGradients(rows, policy, statistics, signal) {
      const units = sortedByShape(rows, Object.keys(compiled));
      await hold(units, policy);
      const texts = await openTexts(units, policy);
      const sums: Record<string, Float64Array> = {};
      let loss = 0;
      for await (const { rows: fed, outputs } of runs(units, texts?.texts, signal)) {
        loss += at(float32Data(outputs.loss, 'loss'), 0);
        statistics.addRows(fed, {
          ratios: outputs.ratio && float32Data(outputs.ratio, 'ratio'),
          kls: outputs.klToPretrained && float32Data(outputs.klToPretrained, 'klToPretrained'),
        });
        let squaredNorm = 0;
        for (const name of parameterNames) {
          const gradient = float32Data(outputs[`gradient:${name}`], name);
          const sum = sums[name] ?? new Float64Array(gradient.length);
          sums[name] = sum;
          for (let i = 0; i < gradient.length; i++) {
            sum[i]! += gradient[i]!;
            squaredNorm += gradient[i]! * gradient[i]!;
          }
        }
        statistics.addRun(fed, Math.sqrt(squaredNorm) / policy.scale);
        texts?.add(fed, outputs);
      }
      const unscale = (name: string) => Float32Array.from(named(sums, name), (value) => value / policy.scale);
      const ofDenoiser = parameterNames.map((name) => [name, unscale(name)] as const);
      return {
        loss,
        gradients: { ...Object.fromEntries(ofDenoiser), ...(await texts?.gradients(policy.scale)) },
      };
    },
    async logRatios(rows, parameters, signal) {
      const units = sortedByShape(rows, Object.keys(compiled));
      const policy = { parameters, old: parameters, start: parameters, scale: 1 };
      await hold(units, policy);
      const texts = await openTexts(units, policy);
      const logRatios = new Map<RowUnit, number>();
      for await (const { minibatch, outputs } of runs(units, texts?.texts, signal)) {
        const ratios = float32Data(outputs.ratio, 'ratio');
        for (const [place, unit] of minibatch.entries()) logRatios.set(unit, Math.log(at(ratios, place)));
      }
      return Float32Array.from(rows, (unit) => logRatios.get(unit) ?? Number.NaN);
    },
    async release() {
      for (const one of new Set(Object.values(compiled))) await one.executable.release();
      await text?.release();
    },
  };
}

/** Of rows that name no shape. */
const COMMON_SHAPE = '';

/** The graphs by the shape of latents, in the order in which rows are sorted; of one size there is one, whoever names it. */
async function compileSizes(engine: Engine, common: SizedGraph, sized: readonly SizedGraph[]) {
  const compile = async ({ pipeline, policyGraph: { graph, gradients } }: SizedGraph) => ({
    pipeline,
    executable: await compileGraph(engine, graph, { label: 'training graph', gradients }),
  });
  const first = await compile(common);
  const compiled: Record<string, typeof first> = { [COMMON_SHAPE]: first };
  for (const one of sized) {
    const isCommon = one.pipeline.latentShape.join() === common.pipeline.latentShape.join();
    compiled[one.pipeline.latentShape.join('x')] = isCommon ? first : await compile(one);
  }
  return compiled;
}
