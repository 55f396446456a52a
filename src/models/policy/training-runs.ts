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
  readonly numUnits: number;
  readonly rows: readonly TrainingRow[];
  readonly outputs: Tensors;
}

/** Compiles the training graph. `text` is released with it. */
export async function openTrainingRuns(
  engine: Engine,
  pipeline: Pipeline,
  policyGraph: PolicyGraph,
  { lora, guidanceScale, minibatchSize }: TrainerSettings,
  text: TextPolicy | null,
): Promise<TrainingRuns> {
  const { graph, gradients, ownReferences } = policyGraph;
  const executable = await compileGraph(engine, graph, { label: 'training graph', gradients });
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

  /** Runs in the order of the rows, which fixes the order of all sums; `shards` of them are computed side by side. */
  function runs(
    units: readonly RowUnit[],
    texts: RowTexts | undefined,
    signal?: AbortSignal,
  ): AsyncGenerator<Run> {
    const atOnce = RUNS_PER_SHARD * executable.shards;
    return inOrder(minibatches(units, minibatchSize, oneTimestepARun), atOnce, async (minibatch) => {
      const rows = arrange(minibatch, minibatchSize);
      const feeds = await rowFeeds(pipeline, rows, rowInputs, guidanceScale, texts);
      const outputs = await executable.run(feeds, { signal, transfer: true });
      return { numUnits: minibatch.length, rows, outputs };
    });
  }

  return {
    provider: executable.provider,
    sessionThreads: executable.sessionThreads,
    fallbacks: executable.fallbacks,
    isScaled,
    async sumGradients(units, policy, statistics, signal) {
      await executable.hold(heldFeeds(policy));
      const texts = await openTexts(units, policy);
      const sums: Record<string, Float64Array> = {};
      let loss = 0;
      for await (const { rows, outputs } of runs(units, texts?.texts, signal)) {
        loss += at(float32Data(outputs.loss, 'loss'), 0);
        statistics.addRows(rows, {
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
        statistics.addRun(rows, Math.sqrt(squaredNorm) / policy.scale);
        texts?.add(rows, outputs);
      }
      const unscale = (name: string) => Float32Array.from(named(sums, name), (value) => value / policy.scale);
      const ofDenoiser = parameterNames.map((name) => [name, unscale(name)] as const);
      return {
        loss,
        gradients: { ...Object.fromEntries(ofDenoiser), ...(await texts?.gradients(policy.scale)) },
      };
    },
    async logRatios(units, parameters, signal) {
      const policy = { parameters, old: parameters, start: parameters, scale: 1 };
      await executable.hold(heldFeeds(policy));
      const texts = await openTexts(units, policy);
      const logRatios: number[] = [];
      for await (const { numUnits, outputs } of runs(units, texts?.texts, signal))
        logRatios.push(...float32Data(outputs.ratio, 'ratio').subarray(0, numUnits).map(Math.log));
      return Float32Array.from(logRatios);
    },
    async release() {
      await executable.release();
      await text?.release();
    },
  };
}
