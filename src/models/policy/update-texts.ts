/** @file The prompts of one update: their embeddings under the policy and its references, and the gradients that reach them. */

import type { Tensors } from '../engines/contract/engine.js';
import type { NamedArrays } from '../optimizers/adamw.js';
import type { Pipeline } from '../pipeline/pipeline.js';
import { elementCount, float32Data } from '../tensor.js';
import type { PolicyGraph } from './policy-graph.js';
import type { TextPolicy } from './text-policy.js';
import { promptsOfRows, type RowTexts, type RowUnit, type TrainingRow } from './training-rows.js';

export interface UpdateTexts {
  /** What rows are fed. */
  readonly texts: RowTexts;
  /** Adds what a run's gradients say of the prompts of its rows. */
  add(rows: readonly TrainingRow[], outputs: Tensors): void;
  /** dL/dθ of the text encoders' parameters: of all that was added, over `scale`. */
  gradients(scale: number): Promise<NamedArrays>;
}

/** What is trained of the texts, and how rows are fed. */
export interface TextParts {
  readonly pipeline: Pipeline;
  readonly policyGraph: Pick<PolicyGraph, 'references' | 'ownReferences' | 'textInputs'>;
  readonly text: TextPolicy;
  readonly guided: boolean;
}

/**
 * Embeds every prompt of an update once for the policy and once for each reference: the frozen encoder for one without
 * parameters of its own. Holds one row for each, and the sum of gradients in float64.
 *
 * @param parametersOf the parameters of the policy, '', or of a reference.
 */
export async function openUpdateTexts(
  { pipeline, policyGraph, text, guided }: TextParts,
  units: readonly RowUnit[],
  parametersOf: (reader: '' | PolicyGraph['references'][number]) => NamedArrays,
): Promise<UpdateTexts> {
  const { references, ownReferences, textInputs } = policyGraph;
  const prompts = new Set(promptsOfRows(pipeline, units.flat(), guided));
  const texts: Record<string, (prompt: string) => Promise<Float32Array>> = {};
  for (const reader of ['' as const, ...references]) {
    if (reader !== '' && !ownReferences.includes(reader)) {
      texts[reader] = pipeline.embedPrompt;
      continue;
    }
    const rows = await text.embed(prompts, parametersOf(reader));
    texts[reader] = async (prompt) => rows.get(prompt) ?? new Float32Array(text.rowSize);
  }
  const sums = new Map([...prompts].map((prompt) => [prompt, new Float64Array(text.rowSize)]));
  // A row is the tokens, then the pooled embedding.
  const places = textInputs.map((input, index) => ({
    name: `gradient:${input}`,
    start: index === 0 ? 0 : elementCount(pipeline.embedsShape),
  }));

  return {
    texts,
    add(rows, outputs) {
      const ofRows = promptsOfRows(pipeline, rows, guided);
      for (const { name, start } of places) {
        const gradient = float32Data(outputs[name], name);
        const size = gradient.length / ofRows.length;
        for (const [row, prompt] of ofRows.entries()) {
          const sum = sums.get(prompt) as Float64Array;
          for (let i = 0; i < size; i++) sum[start + i]! += gradient[row * size + i]!;
        }
      }
    },
    gradients(scale) {
      const cotangents = [...sums].map(
        ([prompt, sum]) => [prompt, Float32Array.from(sum, (value) => value / scale)] as const,
      );
      return text.gradients(new Map(cotangents), parametersOf(''));
    },
  };
}
