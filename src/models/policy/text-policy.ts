/** @file The text encoders of a policy in training: what they make of prompts, and how that depends on their adapters. */

import { at } from '../../at.js';
import { gradientOutputs } from '../autodiff/gradient-outputs.js';
import { compileGraph } from '../engines/compile-graph.js';
import type { Engine, Executable, Tensors } from '../engines/contract/engine.js';
import { GraphBuilder } from '../graph/ops/builder.js';
import { lowerForTraining } from '../graph/passes/lower.js';
import type { Adapter, LoraSettings } from '../graph/weights/lora.js';
import { adapterFeeds } from '../graph/weights/policy-feeds.js';
import type { NamedArrays } from '../optimizers/adamw.js';
import type { Pipeline } from '../pipeline/pipeline.js';
import type { TextEncoderOnDisk } from '../pipeline/pipeline-folder.js';
import { openPromptEncoder } from '../pipeline/prompt-encoder.js';
import { adaptedTextGraph, notAdapted, tokenIds, tokenizerFor } from '../pipeline/text-encoder.js';
import { float32, float32Data } from '../tensor.js';

export interface TextPolicy {
  readonly adapters: readonly Adapter[];
  /** Length of a row, as `Pipeline.embedPrompt` gives it. */
  readonly rowSize: number;
  /** Returns the rows of prompts under these parameters, all at once: they are those of one update. */
  embed(prompts: Iterable<string>, parameters: NamedArrays): Promise<ReadonlyMap<string, Float32Array>>;
  /**
   * Returns dL/dθ = Σ_p (∂row_p/∂θ)ᵀ dL/drow_p for every parameter θ of the adapters.
   * @param cotangents dL/drow by prompt; sums are taken in the order of the prompts.
   */
  gradients(cotangents: ReadonlyMap<string, Float32Array>, parameters: NamedArrays): Promise<NamedArrays>;
  release(): Promise<void>;
}

/**
 * Opens the text encoders that `lora.textEncoder` adapts; null where it adapts none. Each is open twice: as the sampler has
 * it, so that rows are equal bit for bit, and with its vector-Jacobian product.
 *
 * Errors: as `openPromptEncoder`; TRIB_NO_GRADIENT if an operator has no rule.
 */
export async function openTextPolicy(
  engine: Engine,
  { folder, embedsShape }: Pick<Pipeline, 'folder' | 'embedsShape'>,
  lora: LoraSettings | null,
): Promise<TextPolicy | null> {
  if (lora?.textEncoder === undefined) return null;
  const encoder = await openPromptEncoder(engine, folder, { lora });
  const pullBacks: PullBack[] = [];
  for (const place of placesInRow(folder, embedsShape))
    pullBacks.push(await openPullBack(engine, place, lora));
  const { adapters, rowSize } = encoder;

  return {
    adapters,
    rowSize,
    async embed(prompts, parameters) {
      await encoder.usePolicy(parameters);
      const rows = new Map<string, Float32Array>();
      for (const prompt of prompts) rows.set(prompt, await encoder.embed(prompt));
      return rows;
    },
    async gradients(cotangents, parameters) {
      const sums = Object.fromEntries(
        adapters.flatMap(({ inputA, inputB }) =>
          [inputA, inputB].map((name) => [name, new Float64Array(parameters[name]?.length ?? 0)]),
        ),
      );
      for (const { hold } of pullBacks) await hold(parameters);
      for (const [prompt, cotangent] of cotangents) {
        // Its row is zeros, whatever the parameters.
        if (folder.zeroEmptyPrompt && prompt === '') continue;
        for (const { run } of pullBacks) {
          for (const [name, gradient] of Object.entries(await run(prompt, cotangent))) {
            const sum = sums[name] as Float64Array;
            for (let i = 0; i < sum.length; i++) sum[i]! += gradient[i]!;
          }
        }
      }
      return Object.fromEntries(Object.entries(sums).map(([name, sum]) => [name, Float32Array.from(sum)]));
    },
    async release() {
      await encoder.release();
      for (const { release } of pullBacks) await release();
    },
  };
}

/** An encoder, and where in a row of `columns` a token its outputs lie. */
interface PlaceInRow {
  readonly onDisk: TextEncoderOnDisk;
  readonly states: string;
  readonly firstColumn: number;
  readonly columns: number;
  readonly tokens: number;
  /** Whether the pooled embedding, behind the tokens, is its own. */
  readonly isPooled: boolean;
}

/** As `openPromptEncoder` puts rows together. */
function placesInRow(
  { textEncoders, denoiser }: Pipeline['folder'],
  [tokens, columns]: readonly [number, number],
): PlaceInRow[] {
  let firstColumn = 0;
  return textEncoders.map((onDisk, index) => {
    if (!onDisk.architecture) throw notAdapted(onDisk.modelPath);
    const { numHiddenLayers, hiddenSize } = onDisk.architecture;
    const place = {
      onDisk,
      states: textEncoders.length === 1 ? 'last_hidden_state' : `hidden_states.${numHiddenLayers - 1}`,
      ...{ firstColumn, columns, tokens },
      isPooled: index === textEncoders.length - 1 && denoiser.config.pooledWidth !== null,
    };
    firstColumn += hiddenSize;
    return place;
  });
}

/** The vector-Jacobian product of one encoder. */
interface PullBack {
  hold(parameters: NamedArrays): Promise<void>;
  /** The gradient of Σ row · cotangent for one prompt, by parameter. */
  run(prompt: string, cotangent: Float32Array): Promise<NamedArrays>;
  release(): Promise<void>;
}

async function openPullBack(engine: Engine, place: PlaceInRow, lora: LoraSettings): Promise<PullBack> {
  const { onDisk, states, tokens, isPooled } = place;
  const tokenizer = tokenizerFor(onDisk);
  const { graph, adapters } = await adaptedTextGraph(engine, onDisk, tokens, lora);
  const g = GraphBuilder.from(lowerForTraining(graph));
  g.clearOutputs();
  const names = isPooled ? [states, 'text_embeds'] : [states];
  const cotangents = names.map((name) => g.input(`cotangent:${name}`, 'float32', g.value(name).shape));
  const products = names.map((name, index) => g.value(name).mul(at(cotangents, index)).sumAll());
  const parameters = adapters.flatMap(({ inputA, inputB }) => [inputA, inputB]);
  const loss = products.reduce((sum, one) => sum.add(one));
  const gradients = gradientOutputs(engine, g, loss, {
    parameters: parameters.map((name) => g.value(name)),
  });
  const label = `gradients of ${onDisk.component}`;
  const executable: Executable = await compileGraph(engine, g.build(), { label, gradients });
  const width = at(at(cotangents, 0).shape, -1);

  return {
    hold: (values) => executable.hold(adapterFeeds(adapters, values, lora.rank)),
    async run(prompt, row) {
      const feeds: Record<string, Tensors[string]> = {
        input_ids: tokenIds(tokenizer.encode(prompt), executable.inputs),
        [`cotangent:${states}`]: float32(columnsOf(row, place, width), [1, tokens, width]),
      };
      const pooled = row.slice(tokens * place.columns);
      if (isPooled) feeds['cotangent:text_embeds'] = float32(pooled, [1, pooled.length]);
      const outputs = await executable.run(feeds);
      const gradientOf = (name: string) => float32Data(outputs[`gradient:${name}`], name);
      return Object.fromEntries(parameters.map((name) => [name, gradientOf(name)]));
    },
    release: () => executable.release(),
  };
}

/** The features of one encoder for all tokens. */
function columnsOf(
  row: Float32Array,
  { firstColumn, columns, tokens }: PlaceInRow,
  width: number,
): Float32Array {
  const own = new Float32Array(tokens * width);
  for (let token = 0; token < tokens; token++) {
    const start = token * columns + firstColumn;
    own.set(row.subarray(start, start + width), token * width);
  }
  return own;
}
