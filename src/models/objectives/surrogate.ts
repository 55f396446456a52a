/**
 * @file What a surrogate is: a short expression from what the policy says to a loss. The training graph
 * (policy/policy-graph.ts) makes the values, sums the losses with their weights, and derives the gradient of the adapter.
 *
 * M is the number of rows of a minibatch. Outputs of the network are after guidance. `old` is the policy that sampled
 * the round; `pretrained` is the model without its adapter.
 */

import { entriesOf } from '../../catalog.js';
import { TributaryError } from '../../errors.js';
import { integer } from '../../fields.js';
import type { Expression } from '../graph/ops/expression.js';

/** A policy that the surrogate compares with; no gradient flows into it. Each costs one more forward pass. */
export type ReferencePolicy = 'old' | 'pretrained';

/** What one policy says of a step x_i -> x_{i+1}. */
export interface StepPolicy {
  /** The network's output, after guidance: [M, C, H, W]. */
  readonly modelOutput: Expression;
  /** μ = a x_i + k out: [M, C, H, W]. */
  readonly mean: Expression;
  /** log π(x_{i+1} | x_i), the mean over dimensions: [M]. */
  readonly logProb: Expression;
}

/** What a surrogate of denoising steps reads. */
interface StepValues {
  readonly policy: StepPolicy;
  /** Present if `references` names them. */
  readonly old?: StepPolicy;
  readonly pretrained?: StepPolicy;
  /** The log-prob that the sampler recorded: [M]. */
  readonly oldLogProb: Expression;
  /** [M]. */
  readonly advantage: Expression;
  /** σ and k of every row's step: [M]. */
  readonly stdDevT: Expression;
  readonly outputCoefficient: Expression;
}

/** What one policy says of a noised picture x_t. */
export interface DenoisingPolicy {
  /** The network's output (ε, v or x_0, as the model was trained), after guidance: [M, C, H, W]. */
  readonly modelOutput: Expression;
  /** x̂_0 that it stands for: [M, C, H, W]. */
  readonly cleanPrediction: Expression;
}

/** What a surrogate of the forward process reads: x_t = signalScale x_0 + noiseScale n. */
export interface DenoisingValues {
  readonly policy: DenoisingPolicy;
  /** Present if `references` names them. */
  readonly old?: DenoisingPolicy;
  readonly pretrained?: DenoisingPolicy;
  /** x_0, a sampled picture: [M, C, H, W]. */
  readonly cleanLatents: Expression;
  /** What the network's output should be for this x_0 and n: [M, C, H, W]. */
  readonly target: Expression;
  /** √ᾱ_t and √(1 - ᾱ_t), or 1 - σ and σ of a flow: [M]. */
  readonly signalScale: Expression;
  readonly noiseScale: Expression;
  /** [M]. */
  readonly advantage: Expression;
}

interface Common {
  readonly references: readonly ReferencePolicy[];
  /**
   * Half-width of the band around 1 outside which the ratio π/π_old counts as clipped; null if nothing is clipped, or if the
   * band lies around another ratio.
   */
  readonly clipRange: number | null;
}

/** Trained on steps of trajectories; `loss` is [M]. */
export interface StepSurrogate extends Common {
  readonly trainsOn: 'steps';
  readonly loss: (values: StepValues) => Expression;
}

/** Trained on pairs of branches at the same step: row m is preferred to row M/2 + m; `loss` is [M/2]. */
export interface PairSurrogate extends Common {
  readonly trainsOn: 'pairs';
  readonly loss: (values: StepValues) => Expression;
}

/**
 * Trained on sampled pictures with fresh noise; `loss` is [M]. With `comparesPairs` on pairs of pictures with the same noise:
 * row m is preferred to row M/2 + m, and `loss` is [M/2].
 */
export interface DenoisingSurrogate extends Common {
  readonly trainsOn: 'denoising';
  readonly comparesPairs?: boolean;
  /** Whether `old` may be a newer policy than the one that sampled: where a step starts from, not what a ratio is to. */
  readonly allowsStale?: boolean;
  /** Timesteps drawn for each picture. */
  readonly timestepsPerSample: number;
  /** Turns the advantages of an update into what the loss reads; default: as they are. */
  readonly transformAdvantages?: (advantages: readonly number[]) => number[];
  readonly loss: (values: DenoisingValues) => Expression;
}

export type Surrogate = StepSurrogate | PairSurrogate | DenoisingSurrogate;

/** Whether a surrogate may be trained on what an earlier policy sampled although it reads `old`. */
export const allowsStale = (surrogate: Surrogate): boolean =>
  surrogate.trainsOn === 'denoising' && surrogate.allowsStale === true;

/** Whether the rows of a surrogate come in pairs, the preferred ones first. */
export const comparesPairs = (
  surrogate: { readonly trainsOn?: unknown; readonly comparesPairs?: unknown } | undefined,
): boolean => surrogate?.trainsOn === 'pairs' || surrogate?.comparesPairs === true;

/** Returns what a reference policy says. Errors: TRIB_INTERNAL if the training graph left it out. */
export function referenceOf<Policy>(
  values: { readonly [Name in ReferencePolicy]?: Policy },
  name: ReferencePolicy,
): Policy {
  const policy = values[name];
  if (policy !== undefined) return policy;
  throw new TributaryError(
    'TRIB_INTERNAL',
    `policy "${name}": expected its values for the surrogate, got none. Compute the policies that its \`references\` name.`,
  );
}

/** The setting that all surrogates of the forward process share. */
export const timestepsPerSampleField = (timesteps: number) =>
  integer(1)
    .default(timesteps)
    .describe(
      'Timesteps per sampled picture and update at which the picture gets fresh noise and is trained on.',
    );

/** Checks the entry of a surrogate; its summary is the equation in a line, and where it comes from. */
export const defineSurrogate = entriesOf<Surrogate>();
