/** @file Chunks of pictures and the gradients that they give, step by step. */

import { samplerCoefficients } from '../../dist/models/diffusion/step-coefficients.js';
import { openDenoiser } from '../../dist/models/pipeline/denoiser.js';
import { initialParameters } from '../../dist/models/policy/adapter-parameters.js';
import { buildPolicyGraph } from '../../dist/models/policy/policy-graph.js';
import { transitionsOf, transitionUnits } from '../../dist/models/policy/step-rows.js';
import { openTrainingRuns } from '../../dist/models/policy/training-runs.js';
import { createTrainingStatistics } from '../../dist/models/policy/training-statistics.js';
import { createSampler } from '../../dist/models/rollouts/sampler.js';
import { LORA, lastSteps, SAMPLER, scoreGroup, zWithinPrompts } from './parts.mjs';
import { mean } from './statistics.mjs';

/** A is the same for all seeds, so that gradients of two seeds are coordinates in one space. */
const ADAPTER_SEED = 1;
/** As released: nothing is clipped at the policy that sampled. */
const CLIP_RANGE = 0.1;

/** Opens sampler and training graph for chunks of `prompts` groups of `branches` pictures. */
export async function openGradients({ engine, pipeline, reward }, { prompts, branches, numSteps, threads }) {
  const pictures = prompts.length * branches;
  const trainer = {
    lora: LORA,
    guidanceScale: SAMPLER.guidanceScale,
    // Rows of one step are one run a thread.
    minibatchSize: Math.ceil(pictures / threads),
    surrogate: { type: 'ddpo-is', clipRange: CLIP_RANGE, advClipMax: 5 },
    measureKl: false,
    gradientCheckpointing: 'off',
  };
  const policyGraph = await buildPolicyGraph(engine, pipeline, trainer);
  const runs = await openTrainingRuns(engine, pipeline, policyGraph, trainer);
  const denoiser = await openDenoiser(engine, pipeline, { lora: LORA, rows: [prompts.length, pictures] });
  const parameters = initialParameters(denoiser.adapters, LORA, ADAPTER_SEED);
  await denoiser.usePolicy(parameters);
  const coefficients = samplerCoefficients(pipeline.schedule, numSteps, SAMPLER.eta);
  const weights = coefficients.map(() => 1);
  const outputs = policyGraph.adapters.map(({ inputB }) => inputB);
  const inputs = policyGraph.adapters.map(({ inputA }) => inputA);

  /** Rows that the sampler ran, without those that fill up a run. */
  let sampledRows = 0;
  const counting = {
    ...denoiser,
    predict(latents, ...rest) {
      sampledRows += latents.length / pipeline.latentShape.reduce((size, length) => size * length, 1);
      return denoiser.predict(latents, ...rest);
    },
  };

  return {
    coefficients,
    /** Samples chunks of one group a prompt, and gives every picture its z within the prompt over all chunks. */
    async sample({ forkPlan, trained }, { seed, chunks }) {
      sampledRows = 0;
      const settings = { ...SAMPLER, seed, numInferenceSteps: numSteps, forkPlan, numBranches: branches };
      const sampler = createSampler(pipeline, counting, { ...settings, groupsPerBatch: prompts.length });
      const groups = [];
      for (let chunk = 0; chunk < chunks; chunk++) {
        const requests = prompts.map((prompt, row) => ({
          groupIndex: chunk * prompts.length + row,
          prompt,
        }));
        const sampled = await sampler.rollout(requests, lastSteps(trained, numSteps));
        for (const [row, group] of sampled.entries())
          groups.push({ ...group, ...(await scoreGroup(reward, prompts[row], group)) });
      }
      const zScores = zWithinPrompts(groups, ({ rewards }) => rewards);
      const scored = groups.map((group, index) => ({ ...group, zScores: zScores[index] }));
      return {
        rows: sampledRows / chunks,
        chunks: Array.from({ length: chunks }, (_, chunk) =>
          scored.slice(chunk * prompts.length, (chunk + 1) * prompts.length),
        ),
      };
    },
    /**
     * Gradient with respect to every B of the mean over pictures of -A ρ at the given steps, each of weight 1; B is
     * 0, so that of every A is 0 as well, and ρ is 1.
     */
    async gradient(samples, steps) {
      const plan = { coefficients, trainedSteps: steps, weights };
      const units = transitionUnits(
        samples.flatMap((sample) => transitionsOf(sample, steps, 0)),
        null,
        plan,
      );
      const statistics = createTrainingStatistics(CLIP_RANGE, numSteps);
      const policy = { parameters, old: parameters, scale: 1 };
      const { gradients } = await runs.sumGradients(units, policy, statistics);
      if (inputs.some((name) => gradients[name].some((value) => value !== 0)))
        throw new Error('gradient of A: expected 0 where B is 0, got another. Start from a fresh adapter.');
      const gradient = Float32Array.from(outputs.flatMap((name) => [...gradients[name]]));
      return { gradient, ratioDeviation: statistics.result().maxRatioDeviation };
    },
  };
}

/** The pictures of a chunk as the trainer takes them, with z or z minus the mean z of their group as advantage. */
export function samplesOf(chunk, centered) {
  return chunk.flatMap(({ prompt, branches, zScores }, index) => {
    const baseline = centered === 'branch' ? mean(zScores) : 0;
    return branches.map(({ trajectory }, branch) => ({
      groupId: `${index}`,
      prompt,
      advantage: zScores[branch] - baseline,
      stepAdvantages: null,
      trajectory,
    }));
  });
}
