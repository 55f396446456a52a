/** @file The training graph of a policy: denoiser with adapter, guidance, surrogate, and the gradients of the adapter. */

import { TributaryError } from '../../errors.js';
import { gradientOutputs } from '../autodiff/gradient-outputs.js';
import type { SegmentOf } from '../autodiff/recomputation.js';
import type { Engine, GradientRequest } from '../engines/contract/engine.js';
import type { Graph, Node } from '../graph/graph.js';
import { halfConstants } from '../graph/half/half-constants.js';
import { toHalfPrecision } from '../graph/half/half-precision.js';
import { GraphBuilder } from '../graph/ops/builder.js';
import { addReference } from '../graph/passes/add-reference.js';
import { gatherAttention, isAttention, writeAttention } from '../graph/passes/attention.js';
import { withCheaperConvolutions } from '../graph/passes/cheaper-convolutions.js';
import { foldAffine } from '../graph/passes/fold-affine.js';
import { joinNarrowProducts } from '../graph/passes/join-narrow.js';
import { lowerForTraining } from '../graph/passes/lower.js';
import { gatherMixtures, writeMixtures } from '../graph/passes/mixture.js';
import { scaleBeforeProduct } from '../graph/passes/scale-before-product.js';
import { gatherSilu, writeSilu } from '../graph/passes/silu.js';
import { splitSkips } from '../graph/passes/split-skips.js';
import { openPolicyNetwork, type PolicyInputs, parameterNames } from '../graph/weights/policy-network.js';
import type { DenoiserOnDisk } from '../networks/denoiser-family.js';
import { openDenoiserGraph } from '../networks/open-denoiser-graph.js';
import { createSurrogate, type SurrogateSettings } from '../objectives/index.js';
import { guide } from '../objectives/log-prob.js';
import type { ReferencePolicy, Surrogate } from '../objectives/surrogate.js';
import type { Pipeline } from '../pipeline/pipeline.js';
import { denoisingObjective } from './denoising-objective.js';
import { type PolicyOutputs, stepObjective } from './step-objective.js';
import type { TrainerSettings } from './trainer-settings.js';

/** The settings that the graph depends on. */
export type PolicyGraphSettings = Pick<
  TrainerSettings,
  | 'lora'
  | 'guidanceScale'
  | 'surrogate'
  | 'measureKl'
  | 'reference'
  | 'minibatchSize'
  | 'gradientCheckpointing'
  | 'precision'
> &
  Partial<Pick<TrainerSettings, 'sampling'>>;

/** The input by which the differentiated loss is multiplied, a float32 scalar; of graphs in half precision alone. */
export const LOSS_SCALE = 'lossScale';

/** The scope of the nodes that a surrogate adds. */
const OBJECTIVE = 'objective';

export interface PolicyGraph extends PolicyInputs {
  /**
   * Inputs: `sample` and `encoder_hidden_states` for all rows (unconditional, then conditional), `timestep`, the adapter
   * (once more as `<reference>:<parameter>` for each of `ownReferences`, and see `textInputs`), `advantage` and `weight` [M], and what
   * the kind of surrogate reads; in half precision `lossScale`. Outputs: `loss`, `gradient:<parameter>`, which in half
   * precision is that of the loss times `lossScale`, and the diagnostics of the kind.
   */
  readonly graph: Graph;
  /** The gradients, where the engine is to derive them: they are then no outputs of the graph itself. */
  readonly gradients: GradientRequest | undefined;
  readonly surrogate: Surrogate;
  readonly references: readonly ReferencePolicy[];
  /** The references with parameters of their own, `<reference>:<parameter>`. */
  readonly ownReferences: readonly ReferencePolicy[];
  /**
   * The inputs that text encoders give, where these are trained: their gradients are outputs too, and every reference has
   * its own, `<reference>:<input>`. Else none.
   */
  readonly textInputs: readonly string[];
}

/** Derives the graph. The loss is Σ weight · surrogate; weights of 1 / (rows of an update) make it their mean. */
export async function buildPolicyGraph(
  engine: Engine,
  pipeline: Pipeline,
  settings: PolicyGraphSettings,
): Promise<PolicyGraph> {
  const { minibatchSize, guidanceScale, precision } = settings;
  const isHalf = precision === 'float16';
  const { denoiser } = pipeline.folder;
  const { modelPath } = denoiser;
  const surrogate = createSurrogate(settings.surrogate);
  const references = referencesOf(surrogate, settings);
  const isGuided = pipeline.usesGuidance(guidanceScale);
  const rows = isGuided ? 2 * minibatchSize : minibatchSize;
  const model = await openDenoiserGraph(engine, pipeline, rows, precision);
  const opened = openPolicyNetwork(model, denoiser, settings.lora, 'beside');
  const { graph: adapted, component, adapters, weights } = opened;
  const parameters = parameterNames(opened);
  const textInputs = textInputsOf(pipeline, settings.lora);
  // The frozen model is the same graph without adapter; the old policy, and the one that the run started from, are the same
  // graph with other weights in it.
  const ownReferences = references.filter((one) => one === 'old' || settings.reference === 'start');
  const addTo = (graph: Graph, reference: ReferencePolicy) =>
    ownReferences.includes(reference)
      ? addReference(graph, adapted, reference, [...parameters, ...textInputs])
      : addReference(graph, model, reference, textInputs);
  const lowered = lowerForTraining(references.reduce(addTo, adapted));
  const g = GraphBuilder.from(differentiable(lowered, settings));
  const network = new Set(g.nodes);
  const guided = (name: string) => (isGuided ? guide(g.value(name), guidanceScale) : g.value(name));
  g.clearOutputs();

  const { loss, diagnostics } = g.scoped(OBJECTIVE, () => {
    const outputs: PolicyOutputs = {
      policy: guided('out_sample'),
      ...Object.fromEntries(references.map((reference) => [reference, guided(`${reference}:out_sample`)])),
    };
    const latents = g.value('sample').slice({ starts: [0], ends: [minibatchSize], axes: [0] });
    return surrogate.trainsOn === 'denoising'
      ? denoisingObjective(g, surrogate, outputs, latents)
      : stepObjective(g, surrogate, outputs, latents, settings.sampling?.logProb);
  });
  const derived = inSource(settings.surrogate, modelPath, () =>
    gradientOutputs(engine, g, loss, {
      parameters: [...parameters, ...textInputs].map((name) => g.value(name)),
      segmentOf: segmentsOf(g, settings.gradientCheckpointing, denoiser),
      seed: isHalf ? g.input(LOSS_SCALE, 'float32', []) : undefined,
    }),
  );
  for (const [name, value] of Object.entries(diagnostics)) g.output(value, name);
  const built = g.build();
  const isNetwork = (node: Node) => network.has(node);
  const graph = isHalf
    ? toHalfPrecision(built, { constants: halfConstants(modelPath), isNetwork })
    : withCheaperConvolutions(writeNodes(built));
  const inputs = { component, adapters, weights, textInputs };
  return { graph, gradients: derived, ...inputs, surrogate, references, ownReferences };
}

/** The inputs of the denoiser that come out of text encoders. */
function textInputsOf(
  { folder, embedsShape }: Pick<Pipeline, 'folder' | 'embedsShape'>,
  lora: PolicyGraphSettings['lora'],
): readonly string[] {
  if (lora?.textEncoder === undefined) return [];
  const { family, config } = folder.denoiser;
  const inputs = Object.entries(family.conditioning(config, embedsShape));
  return inputs.flatMap(([name, { from }]) => (from === 'tokens' || from === 'pooled' ? [name] : []));
}

/** The network in the form that is differentiated; `writeNodes` undoes the nodes of our own in it. */
function differentiable(lowered: Graph, { precision, gradientCheckpointing }: PolicyGraphSettings): Graph {
  if (precision === 'float16') return scaleBeforeProduct(lowered);
  // Both compute constants, which blocks that are made again would compute again.
  const folded = gradientCheckpointing === 'off' ? splitSkips(foldAffine(lowered)) : lowered;
  return gatherSilu(gatherMixtures(gatherAttention(joinNarrowProducts(folded))));
}

const writeNodes = (graph: Graph): Graph => writeSilu(writeMixtures(writeAttention(graph)));

/** Errors: TRIB_MODEL where blocks are asked for and no name of a node says its block. */
function segmentsOf(
  g: GraphBuilder,
  checkpointing: TrainerSettings['gradientCheckpointing'],
  { family, modelPath }: DenoiserOnDisk,
): SegmentOf {
  if (checkpointing === 'off') return () => undefined;
  // What attention gives is kept: it is small beside its scores, which its gradient makes again by itself.
  const blockOf = (node: Node) => (isAttention(node) ? undefined : family.block.exec(node.name)?.[0]);
  if (g.nodes.some((node) => blockOf(node) !== undefined)) return blockOf;
  throw new TributaryError(
    'TRIB_MODEL',
    `${modelPath}: expected nodes named by their blocks (${family.blockExample}), got ${g.nodes[0]?.name} and others. Set gradientCheckpointing to off, or export the model with names.`,
  );
}

/** The KL of noised pictures is no KL of the sampler's policy, so only surrogates of steps measure it. */
function referencesOf(
  { references, trainsOn }: Surrogate,
  { measureKl }: PolicyGraphSettings,
): readonly ReferencePolicy[] {
  const measures = measureKl && trainsOn !== 'denoising' && !references.includes('pretrained');
  return measures ? [...references, 'pretrained'] : references;
}

/** Puts the model's file in front of what its graph lacks, or a surrogate's module in front of what that lacks. */
function inSource<Result>(surrogate: SurrogateSettings, modelPath: string, derive: () => Result): Result {
  try {
    return derive();
  } catch (cause) {
    if (!(cause instanceof TributaryError)) throw cause;
    const isSurrogate = surrogate.type === 'module' && cause.message.includes(`"/${OBJECTIVE}/`);
    const place = isSurrogate ? `surrogate ${surrogate.module}` : modelPath;
    throw new TributaryError(cause.code, `${place}: ${cause.message}`, { cause });
  }
}
