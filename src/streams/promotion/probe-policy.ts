/** @file Probes a policy: a few held-out prompts from fixed noise. */

import { at } from '../../at.js';
import type { TrainingSample } from '../../models/policy/training-rows.js';
import { isReward } from '../../operators/records/reward-fault.js';
import { metadataPart, negativePart } from '../../prompt-metadata.js';
import type { PolicySnapshot } from '../messages/messages.js';
import type { ListedPrompt } from '../messages/prompts.js';
import type { ScorePictures } from '../stages/reward/scorers.js';
import type { SamplerClient } from '../stages/sampler/client.js';

export interface ProbeOptions {
  readonly sampler: SamplerClient;
  readonly score: ScorePictures;
  readonly prompts: readonly ListedPrompt[];
  /** Largest magnitude of a reward. */
  readonly maxMagnitude: number;
  readonly signal: AbortSignal;
}

export interface Probe {
  /** Root mean square of the differences of its pictures, in [-1, 1], from those of the last reference. */
  readonly outputChange: number;
  /** One a prompt; may not be finite, and is NaN if it was beyond `maxMagnitude`. */
  readonly rewards: readonly number[];
  /** The trajectories, as the trainer reads them. */
  readonly samples: readonly TrainingSample[];
}

/** The policy to probe. */
interface Probed {
  readonly policy: PolicySnapshot;
  /** Trained steps of the round, which the noise depends on. */
  readonly trainedSteps: readonly number[];
  /** Whether later probes are compared with its pictures. */
  readonly isReference: boolean;
}

/** Samples and scores the probe. The same policy gives the same probe. */
export async function probePolicy(
  { sampler, score, prompts, maxMagnitude, signal }: ProbeOptions,
  { policy, trainedSteps, isReference }: Probed,
): Promise<Probe> {
  const requests = prompts.map(({ prompt, metadata }, groupIndex) => ({
    groupIndex,
    prompt,
    ...negativePart(metadata),
  }));
  const { groups, outputChange } = await sampler.withPolicy(policy, (call) =>
    call.probe({ requests, trainedSteps, isReference }, { signal }),
  );
  const branches = groups.flatMap((group) => group.branches.slice(0, 1));
  const drawn = branches.map(({ image }) => image);
  const rewards: number[] = [];
  for (const [index, { prompt, metadata }] of prompts.entries()) {
    const images = drawn.slice(index, index + 1);
    const pictures = { prompt, images, ...metadataPart(metadata) };
    const scores = await score(pictures, { signal });
    rewards.push(...scores.rewards.map((one) => (isReward(one, maxMagnitude) ? one : Number.NaN)));
  }
  const samples = branches.map(({ trajectory }, index) => ({
    groupId: `probe-${index}`,
    prompt: at(prompts, index).prompt,
    ...negativePart(at(prompts, index).metadata),
    advantage: 0,
    stepAdvantages: null,
    trajectory,
  }));
  return { outputChange, rewards, samples };
}
