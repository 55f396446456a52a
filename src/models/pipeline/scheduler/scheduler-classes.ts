/** @file The scheduler classes of diffusers 0.42.1, by exact name: how their models are sampled here, or why not. */

/** How a model is sampled: by DDIM, or along the straight lines of a flow. */
export type SchedulerFamily = 'ddim' | 'flow';

/**
 * The schedulers of both families. Those of DDIM differ in how they step, not in how the network was trained: on the
 * timesteps of a table of betas. diffusers can turn the config of each into DDIM's (`DDIMScheduler.from_config`).
 */
const FAMILIES: ReadonlyMap<string, SchedulerFamily> = new Map([
  ['DDIMParallelScheduler', 'ddim'],
  ['DDIMScheduler', 'ddim'],
  ['DDPMParallelScheduler', 'ddim'],
  ['DDPMScheduler', 'ddim'],
  ['DEISMultistepScheduler', 'ddim'],
  ['DPMSolverMultistepScheduler', 'ddim'],
  ['DPMSolverSDEScheduler', 'ddim'],
  ['DPMSolverSinglestepScheduler', 'ddim'],
  ['EulerAncestralDiscreteScheduler', 'ddim'],
  ['EulerDiscreteScheduler', 'ddim'],
  ['FlowMatchEulerDiscreteScheduler', 'flow'],
  ['HeunDiscreteScheduler', 'ddim'],
  ['KDPM2AncestralDiscreteScheduler', 'ddim'],
  ['KDPM2DiscreteScheduler', 'ddim'],
  ['LMSDiscreteScheduler', 'ddim'],
  ['PNDMScheduler', 'ddim'],
  ['UniPCMultistepScheduler', 'ddim'],
]);

const DISTILLED = {
  why: 'is for models that were distilled to a few steps, which are no draws of a Gaussian policy',
  nextStep: 'Use the model that it was distilled from.',
};
const CONSISTENCY = {
  why: 'is for models that were distilled to a few steps, at timesteps and with means that are not those of DDIM',
  nextStep:
    'Save the pipeline with DDIM (pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config)), or use the model that it was distilled from.',
};
const EULER_FLOW = {
  why: 'does not take the Euler steps that are sampled and trained here',
  nextStep: 'Save the pipeline with FlowMatchEulerDiscreteScheduler where its model is a plain flow.',
};
const INVERSE = {
  why: 'turns pictures into noise',
  nextStep: 'Save the pipeline with DDIMScheduler.',
};
const OTHER_NOISE = {
  why: 'is for networks that take a noise level, not the timestep of a table of betas',
  nextStep: 'Use a model whose scheduler DDIM can stand in for, such as Stable Diffusion.',
};
const OTHER_DATA = {
  why: 'is for models of something other than pictures in pixels or latents',
  nextStep: 'Use a text-to-image model such as Stable Diffusion.',
};
const OTHER_PIPELINE = {
  why: 'belongs to the network of another kind of pipeline',
  nextStep: 'Use a model of the kind SD 1.x, SD 2.x or SDXL.',
};
const SAVE_WITH_DDIM = {
  why: 'is not one that diffusers itself can replace with DDIM',
  nextStep: 'Save the pipeline with DDIMScheduler, from the same betas.',
};

/** The other schedulers of diffusers 0.42.1, each with the reason. */
const REFUSED: ReadonlyMap<string, { readonly why: string; readonly nextStep: string }> = new Map([
  ['AmusedScheduler', OTHER_DATA],
  ['BlockRefinementScheduler', OTHER_DATA],
  ['CMStochasticIterativeScheduler', DISTILLED],
  ['CogVideoXDDIMScheduler', OTHER_DATA],
  ['CogVideoXDPMScheduler', OTHER_DATA],
  ['ConsistencyDecoderScheduler', DISTILLED],
  ['CosineDPMSolverMultistepScheduler', OTHER_NOISE],
  ['DDIMInverseScheduler', INVERSE],
  ['DDPMWuerstchenScheduler', OTHER_NOISE],
  ['DPMSolverMultistepInverseScheduler', INVERSE],
  ['DiscreteDDIMScheduler', OTHER_DATA],
  ['EDMDPMSolverMultistepScheduler', OTHER_NOISE],
  ['EDMEulerScheduler', OTHER_NOISE],
  ['EntropyBoundScheduler', OTHER_DATA],
  ['FlowMapEulerDiscreteScheduler', DISTILLED],
  ['FlowMatchHeunDiscreteScheduler', EULER_FLOW],
  ['FlowMatchLCMScheduler', DISTILLED],
  ['HeliosDMDScheduler', DISTILLED],
  ['HeliosScheduler', OTHER_DATA],
  ['IPNDMScheduler', OTHER_NOISE],
  ['KarrasVeScheduler', OTHER_NOISE],
  ['LCMScheduler', CONSISTENCY],
  ['LTXEulerAncestralRFScheduler', EULER_FLOW],
  ['MiniMaxH3Scheduler', OTHER_DATA],
  ['PiflowScheduler', DISTILLED],
  ['RFD4ProteinaScheduler', OTHER_DATA],
  ['RePaintScheduler', OTHER_PIPELINE],
  ['SASolverScheduler', SAVE_WITH_DDIM],
  ['SCMScheduler', DISTILLED],
  ['ScoreSdeVeScheduler', OTHER_NOISE],
  ['ScoreSdeVpScheduler', OTHER_NOISE],
  ['TCDScheduler', DISTILLED],
  ['UnCLIPScheduler', OTHER_PIPELINE],
  ['VQDiffusionScheduler', OTHER_DATA],
]);

/** Returns the family of a class, or why it has none, as phrases for "expected ..., got ...", with the next step. */
export function schedulerFamily(
  className: string,
): SchedulerFamily | { readonly expected: string; readonly got: string; readonly nextStep: string } {
  const family = FAMILIES.get(className);
  if (family !== undefined) return family;
  const expected = `one of ${[...FAMILIES.keys()].join(', ')}`;
  const refused = REFUSED.get(className);
  if (refused === undefined) {
    const nextStep =
      'Save the pipeline with DDIMScheduler, or with FlowMatchEulerDiscreteScheduler for a flow.';
    return { expected, got: `"${className}", which is unknown`, nextStep };
  }
  return { expected, got: `"${className}", which ${refused.why}`, nextStep: refused.nextStep };
}
