/** @file Any reward model in ONNX form (PickScore, HPSv2, ImageReward); the config declares its inputs. */

import * as z from 'zod';
import { at } from '../../../at.js';
import { TributaryError } from '../../../errors.js';
import { filePath, number, section, text } from '../../../fields.js';
import type { Tensors } from '../../engines/contract/engine.js';
import { cosine } from '../contract/features.js';
import { runsOn } from '../contract/reward-scorer.js';
import { batchSizeField, defineRewardSource } from '../contract/reward-source.js';
import { inRuns } from '../encoders/batches.js';
import { declaredInput, type Feed, feedFor } from '../encoders/declared-inputs.js';
import { openGraph, portNamed, portOf, requireOneWidth, requirePorts } from '../encoders/exported-graph.js';
import { featureRows, numberOutput } from '../encoders/float-ports.js';

const outputName = text('the name of an output');

const reading = z
  .discriminatedUnion(
    'from',
    [
      section({
        from: z.literal('output').describe('One output is the score: [B] or [B, 1].'),
        output: outputName.default('score').describe('Name of the output.'),
      }),
      section({
        from: z
          .literal('cosine')
          .describe('The cosine of two outputs, features of the picture and of the prompt, each [B, D].'),
        image: outputName.default('image_embeds').describe('The output with features of the picture.'),
        text: outputName.default('text_embeds').describe('The output with features of the prompt.'),
      }),
    ],
    { error: 'a mapping' },
  )
  .prefault({ from: 'output' })
  .describe('How the score is computed from the outputs.');

type Reading = z.output<typeof reading>;

/** r = scale · score, from one run of the graph on some pictures and their prompt. */
export const onnxReward = defineRewardSource({
  name: 'onnx',
  summary:
    'Any reward model exported to ONNX, such as PickScore, HPSv2 or ImageReward; `inputs` says what to feed it.',
  fields: {
    model: filePath('the path of an ONNX file', 'file').describe('The reward model, one ONNX file.'),
    inputs: z
      .record(text('the name of an input'), declaredInput, {
        error: 'a mapping from names of inputs to what they mean',
      })
      .refine((inputs) => Object.values(inputs).some(({ from }) => from === 'image'), {
        error: 'a mapping with an input from: image',
      })
      .describe('Every input of the graph, by name.'),
    score: reading,
    scale: number({ from: '(-Infinity', to: 'Infinity)' })
      .default(1)
      .describe(
        "The score is multiplied by it: 100 gives PickScore's logits; use a negative value if less is better.",
      ),
    batchSize: batchSizeField('Images that the model sees in one run,'),
  },
  async create({ model, inputs, score: read, scale, batchSize }, { engine, imageShape }) {
    const graph = await openGraph(engine(), model);
    const outputs = read.from === 'output' ? [read.output] : [read.image, read.text];
    requirePorts(graph, model, { inputs: Object.keys(inputs), outputs });
    if (read.from === 'cosine') {
      const outputNamed = (name: string) => portNamed(graph, model, 'outputs', name);
      requireOneWidth(
        { label: model, port: outputNamed(read.image) },
        { label: model, port: outputNamed(read.text) },
      );
    }
    const undeclared = graph.inputs.map(({ name }) => name).filter((name) => !(name in inputs));
    if (undeclared.length > 0) {
      throw new TributaryError(
        'TRIB_MODEL',
        `${model} inputs: expected each to be declared, got none for ${undeclared.join(', ')}. Add them to \`inputs\`.`,
      );
    }
    const feeds: [string, Feed][] = [];
    for (const [name, declared] of Object.entries(inputs))
      feeds.push([name, await feedFor(declared, portOf(graph, name), model, imageShape)]);
    const fixed = graph.inputs.map(({ shape }) => shape[0]).find((axis) => typeof axis === 'number');
    return {
      runsOn: runsOn(graph),
      async score({ prompt, images }) {
        const rows = await inRuns(images, batchSize, fixed, async (batch) => {
          const tensors = feeds.map(([name, feed]) => [name, feed(prompt, batch)] as const);
          return rowsOf(await graph.run(Object.fromEntries(tensors)), read, batch.length, model);
        });
        const features = rows.flatMap(({ feature }) => feature ?? []);
        return {
          rewards: rows.map(({ score }) => scale * score),
          features: read.from === 'cosine' ? features : null,
        };
      },
      close: () => graph.release(),
    };
  },
});

/** A score per picture, and its features if it has some. */
function rowsOf(
  outputs: Tensors,
  read: Reading,
  count: number,
  label: string,
): { readonly score: number; readonly feature: Float32Array | null }[] {
  switch (read.from) {
    case 'output': {
      const scores = numberOutput(outputs, read.output, label);
      if (scores.length === count) return Array.from(scores, (score) => ({ score, feature: null }));
      const shape = outputs[read.output]?.shape.join(', ');
      throw new TributaryError(
        'TRIB_MODEL',
        `${label} output "${read.output}": expected ${count} numbers, one per picture, got [${shape}]. Name the output that is the score.`,
      );
    }
    case 'cosine': {
      const images = featureRows(outputs, read.image, count, label);
      const prompts = featureRows(outputs, read.text, count, label);
      return images.map((feature, row) => ({ score: cosine(feature, at(prompts, row)), feature }));
    }
    default:
      return read satisfies never;
  }
}
