import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadTokenizer } from '../../../../src/models/pipeline/tokenizers/tokenizer.js';
import { toUnitLength } from '../../../../src/models/rewards/contract/features.js';
import { bertScoreRecall } from '../../../../src/models/rewards/encoders/token-embeddings.js';
import { openReward } from '../../../../src/models/rewards/index.js';
import { shapesTokenizerFiles } from '../../../../src/models/shapes/prompts/shapes-files.js';
import { choice, startChatServer } from '../../../fixtures/chat-server.js';
import { faultOf } from '../../../fixtures/fault-of.js';
import { rewardContext, unaborted } from '../../../fixtures/reward-context.js';
import { temporaryFolder } from '../../../fixtures/temporary-folder.js';
import { onnxFile, tokenTable, tokenVector } from '../../../fixtures/tiny-clip.js';

const SHAPE = [3, 2, 4] as const;
const images = [255, 0].map((level) => new Float32Array(24).fill((level / 255) * 2 - 1));

/** A text encoder that knows no context: its vector for a token is that of the table. */
async function encoder(output = 'last_hidden_state') {
  const folder = await temporaryFolder();
  for (const [name, content] of Object.entries(shapesTokenizerFiles()))
    await writeFile(join(folder, name), content);
  const { modelMaxLength, vocabSize } = loadTokenizer(folder);
  const model = onnxFile((g) => ({
    [output]: tokenTable(g, vocabSize, 4).gather(g.input('input_ids', 'int64', [1, modelMaxLength])),
  }));
  await writeFile(join(folder, 'model.onnx'), model);
  return folder;
}

const settings = (url: string, folder: string) => ({
  from: 'vlm-caption' as const,
  url,
  model: 'llava',
  maxTokens: 64,
  timeoutMs: 10_000,
  requestsAtOnce: 2,
  question: 'What of {prompt}?',
  reference: '{prompt}',
  encoder: folder,
});
const context = () => rewardContext({ imageShape: SHAPE });

/** Begin, words and end of a sentence, without padding. */
function embedded(folder: string, words: string) {
  const { encode } = loadTokenizer(folder);
  const ids = [...encode(words)];
  const end = ids.indexOf(encode('')[1] ?? -1);
  return ids.slice(0, end + 1).map((id) => toUnitLength(Float32Array.from(tokenVector(id, 4))));
}

describe('vlm-caption', () => {
  it('should be the recall of the prompt in what is said of the picture', async () => {
    const [prompt, close, far] = ['a red circle and a blue square', 'a blue circle', 'three green triangles'];
    const folder = await encoder();
    const server = await startChatServer(({ level }) => choice(level > 0.5 ? close : far));
    const scorer = await openReward(settings(server.base, folder), context());
    const { rewards, features } = await scorer.score({ prompt, images }, unaborted());
    expect(features).toBeNull();
    for (const [index, caption] of [close, far].entries()) {
      const expected = bertScoreRecall(embedded(folder, prompt), embedded(folder, caption));
      expect(rewards[index]).toBeCloseTo(expected, 5);
      expect(rewards[index]).toBeLessThan(1 - 1e-6);
    }
    expect(rewards[0]).not.toBeCloseTo(rewards[1] ?? 0, 4);
    expect(JSON.stringify(server.requests[0]?.body)).toContain(`What of ${prompt}?`);
  });

  it('should be 1 where the picture is said to be the prompt', async () => {
    const server = await startChatServer(() => choice('two blue circles'));
    const scorer = await openReward(settings(server.base, await encoder()), context());
    const { rewards } = await scorer.score({ prompt: 'two blue circles', images }, unaborted());
    for (const reward of rewards) expect(reward).toBeCloseTo(1, 6);
  });

  it('should refuse an encoder that gives no vectors of tokens', async () => {
    const folder = await encoder('pooler_output');
    expect(await faultOf(() => openReward(settings('http://127.0.0.1:9/v1', folder), context()))).toEqual([
      'TRIB_MODEL',
      `${join(folder, 'model.onnx')} outputs: expected last_hidden_state, got pooler_output. Export it as docs/rewards.md says.`,
    ]);
  });
});
