import { copyFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Engine } from '../../../../src/models/engines/contract/engine.js';
import { CLIP_MEAN, CLIP_STD } from '../../../../src/models/images/image-processor.js';
import { openReward } from '../../../../src/models/rewards/index.js';
import { faultOf } from '../../../fixtures/fault-of.js';
import { rewardContext, unaborted } from '../../../fixtures/reward-context.js';
import { temporaryFolder } from '../../../fixtures/temporary-folder.js';
import {
  colored,
  cosineOf,
  promptVector,
  type TinyClipOptions,
  writeTinyClip,
} from '../../../fixtures/tiny-clip.js';

const SHAPE = [3, 16, 20] as const;
const COLORS = [
  [255, 0, 30],
  [10, 200, 255],
  [90, 91, 92],
  [0, 0, 0],
  [255, 255, 255],
];
const images = COLORS.map((levels) => colored(levels, SHAPE));
const PROMPTS = ['a red circle', 'two blue circles'];

/** What a picture of one color becomes: each channel of it normalized. */
const normalized = (levels: readonly number[]) =>
  levels.map((level, channel) => (level / 255 - (CLIP_MEAN[channel] ?? 0)) / (CLIP_STD[channel] ?? 1));

async function open(options: TinyClipOptions = {}, settings: { scale?: number; batchSize?: number } = {}) {
  const folder = await writeTinyClip(await temporaryFolder(), options);
  return { folder, scorer: await openIn(folder, settings) };
}
const openIn = (folder: string, settings: { scale?: number; batchSize?: number } = {}) =>
  openReward(
    { from: 'clip-score', model: folder, scale: 1, batchSize: 2, ...settings },
    rewardContext({ imageShape: SHAPE }),
  );

describe('clip-score', () => {
  it.each(['halves', 'whole', 'onnx/'] as const)(
    'should be the cosine of picture and prompt, from the layout %s',
    async (layout) => {
      const { folder, scorer } = await open({ layout });
      for (const prompt of PROMPTS) {
        const { rewards, features } = await scorer.score({ prompt, images }, unaborted());
        const expected = COLORS.map((levels) => cosineOf(normalized(levels), promptVector(folder, prompt)));
        expect(rewards).toHaveLength(5);
        for (const [index, reward] of rewards.entries()) expect(reward).toBeCloseTo(expected[index] ?? 9, 5);
        for (const feature of features ?? []) expect(Math.hypot(...feature)).toBeCloseTo(1, 5);
      }
    },
  );

  it('should take another scale, a half-precision graph and one of a fixed batch', async () => {
    const { scorer } = await open();
    const of = { prompt: PROMPTS[0] ?? '', images };
    const { rewards } = await scorer.score(of, unaborted());
    const scaled = await open({}, { scale: 100 });
    const half = await open({ vision: { type: 'float16' } });
    const fixed = await open({ vision: { rows: 3 } }, { batchSize: 5 });
    for (const [{ scorer: other }, factor, digits] of [
      [scaled, 100, 4],
      [half, 1, 2],
      [fixed, 1, 6],
    ] as const) {
      const { rewards: found } = await other.score(of, unaborted());
      expect(found).toHaveLength(5);
      for (const [index, reward] of rewards.entries())
        expect(found[index]).toBeCloseTo(factor * reward, digits);
    }
  });

  it('should run the text half once for a prompt', async () => {
    const folder = await writeTinyClip(await temporaryFolder());
    const context = rewardContext({ imageShape: SHAPE });
    const ran: string[] = [];
    const engine = context.engine();
    const compile: Engine['compile'] = async (model, options) => {
      const graph = await engine.compile(model, options);
      const run: typeof graph.run = (...given) => {
        ran.push(basename(options.label));
        return graph.run(...given);
      };
      return { ...graph, run };
    };
    const settings = { from: 'clip-score' as const, model: folder, scale: 1, batchSize: 9 };
    const scorer = await openReward(settings, { ...context, engine: () => ({ ...engine, compile }) });
    for (const prompt of [...PROMPTS, ...PROMPTS]) await scorer.score({ prompt, images }, unaborted());
    expect(ran.filter((name) => name === 'text_model.onnx')).toHaveLength(2);
    expect(ran.filter((name) => name === 'vision_model.onnx')).toHaveLength(4);
  });

  it('should score no pictures', async () => {
    const { scorer } = await open();
    expect(await scorer.score({ prompt: 'a red circle', images: [] }, unaborted())).toEqual({
      rewards: [],
      features: [],
    });
  });

  it('should refuse a model whose pictures have another size than its preprocessor makes', async () => {
    const [code, message] = await faultOf(() =>
      open({ preprocessor: { size: { shortest_edge: 7 }, crop_size: 7 } }),
    );
    expect(code).toBe('TRIB_MODEL');
    expect(message).toMatch(
      /vision_model\.onnx input "pixel_values": expected pictures of \[3, 7, 7\] as \S+preprocessor_config\.json makes them, got a graph for \[3, 8, 8\]\. Use the settings that belong to the model\.$/,
    );
  });

  it('should say what is missing', async () => {
    const folder = await writeTinyClip(await temporaryFolder());
    await writeFile(join(folder, 'text_model.onnx'), new Uint8Array(50).fill(9));
    expect(await faultOf(() => openIn(folder))).toEqual([
      'TRIB_MODEL',
      expect.stringContaining(`${join(folder, 'text_model.onnx')}: expected an ONNX model with a graph`),
    ]);
    await rm(join(folder, 'text_model.onnx'));
    expect(await faultOf(() => openIn(folder))).toEqual([
      'TRIB_FILE',
      `${folder}: expected text_model.onnx or model.onnx there or in onnx/, got neither. Export a CLIP as docs/rewards.md says.`,
    ]);
    await rm(join(folder, 'preprocessor_config.json'));
    expect(await faultOf(() => openIn(folder))).toEqual([
      'TRIB_MODEL',
      expect.stringContaining('preprocessor_config.json: expected a JSON file, got no such file.'),
    ]);
  });

  const OPEN_CLIP = {
    pixel_values: 'image',
    image_embeds: 'embedding',
    input_ids: 'text',
    text_embeds: 'out',
  };

  it('should find the only input and output of a half, whatever its exporter calls them', async () => {
    const { scorer } = await open({ mask: false });
    const renamed = await open({ mask: false, names: OPEN_CLIP });
    const of = { prompt: PROMPTS[0] ?? '', images };
    expect(await renamed.scorer.score(of, unaborted())).toEqual(await scorer.score(of, unaborted()));
  });

  it.each([
    [{ names: { image_embeds: 'pooler_output' } }, 'outputs: expected image_embeds, got pooler_output.'],
    [
      { names: { text_embeds: 'last_hidden_state' } },
      'outputs: expected text_embeds, got last_hidden_state.',
    ],
    [{ names: { input_ids: 'text' } }, 'inputs: expected input_ids, got text, attention_mask.'],
    [
      { names: { attention_mask: 'position_ids' } },
      'inputs: expected input_ids, attention_mask, token_type_ids at most, got position_ids too.',
    ],
    [{ width: 4 }, 'vision_model.onnx output "image_embeds": expected 3 numbers as "text_embeds" of'],
  ])('should refuse halves that are none, before a picture is scored: %j', async (options, words) => {
    const [code, message] = await faultOf(() => open(options));
    expect(code).toBe('TRIB_MODEL');
    expect(message).toContain(words);
  });

  it('should say which output a model lacks', async () => {
    const folder = await writeTinyClip(await temporaryFolder());
    await copyFile(join(folder, 'text_model.onnx'), join(folder, 'vision_model.onnx'));
    expect(await faultOf(() => openIn(folder))).toEqual([
      'TRIB_MODEL',
      `${join(folder, 'vision_model.onnx')} inputs: expected pixel_values, got input_ids, attention_mask. Export it as docs/rewards.md says.`,
    ]);
  });
});
