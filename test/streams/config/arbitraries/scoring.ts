/** @file Settings of every source of rewards; one that is missing here does not compile. */
import { normalize } from 'node:path';
import fc from 'fast-check';
import type { RewardSettings } from '../../../../src/models/rewards/index.js';
import type { ResolvedConfig, StageConfig } from '../../../../src/streams/config/schema/topology-schema.js';
import { count, positive } from './numbers.js';

type Name = RewardSettings['from'];
type Settings<From extends Name> = Omit<Extract<RewardSettings, { from: From }>, 'from'>;

/** As lint writes it: a doubled slash or a dot between slashes would not come back. */
const path = fc.stringMatching(/^[ -~]{1,12}$/).filter((text) => normalize(text) === text);
const name = fc.stringMatching(/^[a-z][a-z0-9_-]{0,8}$/);
const real = fc.double({ min: -1e9, max: 1e9, noNaN: true });
const batchSize = count(64);
const timeoutMs = count(300_000);
const quality = count(100);
const chat = {
  url: fc.constantFrom('http://localhost:8000/v1', 'https://vlm.example.org/api/v1?version=2'),
  model: fc.constantFrom('llava-hf/llava-1.5-7b-hf', 'qwen'),
  maxTokens: count(4096),
  timeoutMs,
  requestsAtOnce: count(256),
};

const triple = (number: fc.Arbitrary<number>) => fc.tuple(number, number, number);
const image = fc.record({
  from: fc.constant('image' as const),
  size: count(512),
  fit: fc.constantFrom('crop', 'stretch'),
  filter: fc.constantFrom('bicubic', 'bilinear'),
  mean: triple(real),
  std: triple(positive),
});
const tokens = fc.record({ from: fc.constantFrom('token-ids', 'attention-mask'), tokenizer: path });

const ALONE = {
  model: fc.record({ model: path, batchSize }),
  http: fc.record(
    {
      url: fc.constantFrom('http://localhost:8000/score', 'https://rewards.example.org/v2?model=a'),
      timeoutMs,
      batchSize,
      form: fc.constantFrom('tributary', 'batch', 'single'),
      scoreField: name,
    },
    { requiredKeys: ['url', 'timeoutMs', 'batchSize', 'form'] },
  ),
  'clip-score': fc.record(
    { model: path, tokenizer: path, scale: positive, batchSize },
    { requiredKeys: ['model', 'scale', 'batchSize'] },
  ),
  aesthetic: fc.record({ model: path, head: path, batchSize }, { requiredKeys: ['model', 'batchSize'] }),
  'jpeg-compressibility': fc.record({ quality }),
  'jpeg-incompressibility': fc.record({ quality }),
  onnx: fc.record({
    model: path,
    inputs: fc
      .tuple(image, fc.dictionary(name, tokens, { maxKeys: 2 }))
      .map(([pixels, others]) => ({ ...others, pixel_values: pixels })),
    score: fc.oneof(
      fc.record({ from: fc.constant('output' as const), output: name }),
      fc.record({ from: fc.constant('cosine' as const), image: name, text: name }),
    ),
    scale: real,
    batchSize,
  }),
  'vlm-question': fc.record({
    ...chat,
    questions: fc.array(fc.record({ ask: path, expect: path }), { minLength: 1, maxLength: 3 }),
    judge: fc.constantFrom('contains', 'probability'),
  }),
  'vlm-judge': fc.record({ ...chat, by: fc.constantFrom('pairs', 'ranking'), criterion: path }),
  'vlm-caption': fc.record({ ...chat, question: path, reference: path, encoder: path }),
  module: fc.record({ path, options: fc.dictionary(name, fc.oneof(real, path)), timeoutMs }),
} satisfies { readonly [From in Exclude<Name, 'sum'>]: fc.Arbitrary<Settings<From>> };

const alone: fc.Arbitrary<object>[] = Object.entries(ALONE).map(([from, settings]) =>
  (settings as fc.Arbitrary<object>).map((rest) => ({ from, ...rest })),
);

const part = fc
  .tuple(fc.oneof(...alone), fc.record({ weight: real, mean: real, std: positive }))
  .map(([source, weights]) => ({ ...source, ...weights }));

const sum = fc
  .dictionary(name, part, { minKeys: 1, maxKeys: 3 })
  .map((parts) => ({ from: 'sum', parts: Object.fromEntries(Object.entries(parts)) }));

/** Sources whose groups may be scored side by side. */
const SIDE_BY_SIDE: readonly string[] = ['http', 'vlm-question', 'vlm-caption', 'vlm-judge', 'module', 'sum'];

type Gold = ResolvedConfig['evaluation']['gold'][string];

/** A reward from any source, as evaluations may ask for it. */
export const goldReward: fc.Arbitrary<Gold> = fc.tuple(fc.oneof(...alone, sum), positive, count(64)).map(
  ([source, maxMagnitude, concurrency]) =>
    ({
      ...source,
      maxMagnitude,
      ...(SIDE_BY_SIDE.includes((source as RewardSettings).from) ? { concurrency } : {}),
    }) as Gold,
);

/** A whole stage with any source. */
export const scoring: fc.Arbitrary<StageConfig<'reward'>> = goldReward.map(
  (source) => ({ type: 'reward', ...source }) as StageConfig<'reward'>,
);
