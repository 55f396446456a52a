import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type {
  PicturesOfPrompt,
  ScoredPictures,
} from '../../../../src/models/rewards/contract/reward-scorer.js';
import type { moduleReward } from '../../../../src/models/rewards/sources/module.js';
import { startThread } from '../../../../src/models/threads/thread.js';
import { faultOf } from '../../../fixtures/fault-of.js';
import { temporaryFolder } from '../../../fixtures/temporary-folder.js';

const imageShape = [3, 2, 4] as const;
const gray = (level: number) => new Float32Array(24).fill((level / 255) * 2 - 1);
const pictures = { prompt: 'a red ball', images: [gray(0), gray(51), gray(255)] };
const FIXTURE = new URL('../../../fixtures/module-reward-thread.mjs', import.meta.url);

type Settings = Parameters<typeof moduleReward.create>[0];
type Service = {
  open(settings: { settings: Settings; imageShape: readonly number[] }): Promise<void>;
  score(pictures: PicturesOfPrompt, signal: AbortSignal): Promise<ScoredPictures>;
};

async function openAt(settings: Settings) {
  const thread = startThread<Service>(FIXTURE, 'module');
  onTestFinished(() => thread.close());
  await thread.call.open({ settings, imageShape });
  return thread;
}

/** Opens a module of this text; NOTE in it is the path of a file that it may write. */
async function open(source: string, { options = {}, timeoutMs = 60_000 } = {}) {
  const folder = await temporaryFolder();
  const [path, note] = [join(folder, 'reward.mjs'), join(folder, 'note')];
  const text = `import { writeFileSync } from 'node:fs';\n${source.replace('NOTE', JSON.stringify(note))}`;
  await writeFile(path, text);
  const thread = await openAt({ path, options, timeoutMs });
  return {
    path,
    score: thread.call.score,
    close: () => thread.close(),
    note: () => readFile(note, 'utf8'),
  };
}

/** A module that answers a prompt, which is a number, with the expression of that place; opening it takes a tenth of a second. */
const openAnswers = (answers: readonly string[]) =>
  open(`const answers = [${answers.map((answer) => `() => (${answer})`)}];
    export const score = ({ prompt }) => answers[Number(prompt)]();`);

const faultOfScore = async ({ path, score }: Awaited<ReturnType<typeof open>>, prompt: string) => {
  const error = await score({ ...pictures, prompt }).catch((fault: unknown) => fault);
  const { code, message, retryable } = error as { code: string; message: string; retryable: boolean };
  return { code, message: message.replace(path, 'MODULE'), retryable };
};

describe('module', () => {
  it('should call the module with prompt, pictures and options', async () => {
    const { score } = await open(
      `export const score = ({ prompt, images, options }) =>
        images.map(({ data, values, width, height }) => prompt.length + options.factor * data[0] + values[0] + width * height);`,
      { options: { factor: 2 } },
    );
    const { rewards, features } = await score(pictures);
    expect(features).toBeNull();
    expect(rewards).toEqual([0, 51, 255].map((level) => 10 + 2 * level + (gray(level)[0] ?? 0) + 8));
  });

  it('should call the module with what is said of the prompt, which may be nothing', async () => {
    const { score } = await open(
      `export const score = ({ metadata, images }) => images.map(() => metadata.answer?.count ?? -1);`,
    );
    const metadata = { answer: { count: 3 } };
    expect((await score({ ...pictures, metadata })).rewards).toEqual([3, 3, 3]);
    expect((await score(pictures)).rewards).toEqual([-1, -1, -1]);
  });

  it('should take typed arrays of numbers for lists', async () => {
    const answers = [
      'Int8Array',
      'Uint8Array',
      'Uint8ClampedArray',
      'Int16Array',
      'Uint16Array',
      'Int32Array',
      'Uint32Array',
      'Float32Array',
      'Float64Array',
    ].flatMap((type) => [`${type}.of(1, 2, 3)`, `({ rewards: ${type}.of(1, 2, 3) })`]);
    const { score } = await openAnswers(answers);
    for (const [prompt, answer] of answers.entries())
      expect((await score({ ...pictures, prompt: `${prompt}` })).rewards, answer).toEqual([1, 2, 3]);
  });

  it('should take null for no features', async () => {
    const { score } = await open(`export const score = () => ({ rewards: [1, 2, 3], features: null });`);
    expect(await score(pictures)).toEqual({ rewards: [1, 2, 3], features: null });
  });

  it('should take features, scaled to length 1, and close the module', async () => {
    const { score, close, note } = await open(
      `export async function score({ images }) {
         return { rewards: images.map(() => 1), features: images.map((_, i) => i ? [3, 4] : new Float32Array([0, 2])) };
       }
       export function close() { writeFileSync(NOTE, 'closed'); }`,
    );
    const { features } = await score(pictures);
    expect(features).toEqual(
      [
        [0, 1],
        [0.6, 0.8],
        [0.6, 0.8],
      ].map((row) => Float32Array.from(row)),
    );
    await close();
    expect(await note()).toBe('closed');
  });

  const WRONG = [
    ['[1, 2]', 'expected score to return 3 rewards, one per picture, got 2.'],
    ['[1, NaN, 3]', 'expected score to return a finite number at index 1, got NaN.'],
    [
      'undefined',
      'expected score to return a list of finite numbers, or { rewards, features }, got nothing.',
    ],
    ['null', 'expected score to return a list of finite numbers, or { rewards, features }, got null.'],
    [
      '"good"',
      'expected score to return a list of finite numbers, or { rewards, features }, got a string "good".',
    ],
    ['7n', 'expected score to return a list of finite numbers, or { rewards, features }, got a BigInt 7.'],
    [
      'BigInt64Array.of(1n, 2n, 3n)',
      'expected score to return a list of finite numbers, or { rewards, features }, got a BigInt64Array.',
    ],
    [
      'new DataView(new ArrayBuffer(3))',
      'expected score to return a list of finite numbers, or { rewards, features }, got a DataView.',
    ],
    [
      'new Float32Array([1, Infinity, 3])',
      'expected score to return a finite number at index 1, got Infinity.',
    ],
    ['[[0], [0], [0]]', 'expected score to return a finite number at index 0, got a list of 1.'],
    ['["0.5", 1, 2]', 'expected score to return a finite number at index 0, got a string "0.5".'],
    ['[0, 1n, 2]', 'expected score to return a finite number at index 1, got a BigInt 1.'],
    ['[1, 2, , ]', 'expected score to return a finite number at index 2, got nothing.'],
    ['[0, true, 1]', 'expected score to return a finite number at index 1, got a boolean true.'],
    ['[0, Promise.resolve(1), 1]', 'expected score to return a finite number at index 1, got a Promise.'],
    [
      '[0, Float32Array.of(1), 1]',
      'expected score to return a finite number at index 1, got a Float32Array.',
    ],
    [
      '[0, { score: 1 }, 1]',
      'expected score to return a finite number at index 1, got an object with "score".',
    ],
    [
      '({ rewards: [1, 2, "3"] })',
      'expected score to return a finite number at rewards[2], got a string "3".',
    ],
    ['({ rewards: new Map() })', 'expected score to return a list of numbers at rewards, got a Map.'],
    ['({ scores: [1] })', 'a list of finite numbers, or { rewards, features }, got an object with "scores".'],
    [
      '({ rewards: [1, 2, 3], features: [[1], [1], ["1"]] })',
      'expected score to return a finite number at features[2][0], got a string "1".',
    ],
    [
      '({ rewards: [1, 2, 3], features: [[1]] })',
      'expected score to return 3 features, one per picture, got 1.',
    ],
    [
      '({ rewards: [1, 2, 3], features: [[1], [1, 2], [1]] })',
      'expected score to return features of one length, got lengths 1, 2.',
    ],
  ] as const;

  it('should say what is wrong with an answer', async () => {
    const module = await openAnswers(WRONG.map(([answer]) => answer));
    for (const [prompt, [answer, words]] of WRONG.entries()) {
      const { code, message, retryable } = await faultOfScore(module, `${prompt}`);
      expect([code, retryable], answer).toEqual(['TRIB_REWARD', false]);
      expect(message, answer).toContain(words);
    }
  });

  it.each([
    ["throw new TypeError('no\\n model')", false, '"TypeError: no model"'],
    ["throw Object.assign(new Error('busy'), { retryable: true })", true, '"Error: busy"'],
    ["return Promise.reject('gone')", false, '"gone"'],
  ])('should say what the module threw: %s', async (body, retryable, words) => {
    const module = await open(`export function score() { ${body}; }`);
    expect(await faultOfScore(module, 'a')).toEqual({
      code: 'TRIB_REWARD',
      retryable,
      message: `reward module MODULE: expected score to return, got ${words}. Correct the module.`,
    });
  });

  it('should give up on a module that never answers, and abort its signal', async () => {
    const { score, note } = await open(
      `export const score = ({ signal }) => new Promise(() => signal.addEventListener('abort', () => writeFileSync(NOTE, 'aborted')));`,
      { timeoutMs: 20 },
    );
    const error = await score(pictures).catch((fault: unknown) => fault);
    expect(error).toMatchObject({ code: 'TRIB_REWARD', retryable: true });
    expect((error as Error).message).toContain('expected score to return, got nothing in 20 ms.');
    expect(await note()).toBe('aborted');
  });

  it.each([
    ['export const scores = 1;', 'or by default what defineReward returns, got scores.'],
    ['export const score = 1;', 'or by default what defineReward returns, got score, which is no function.'],
    ['', 'expected it to export a function score, or by default what defineReward returns, got nothing.'],
    ['export default (', 'expected a module that loads, got "SyntaxError:'],
    ["throw new Error('no GPU');", 'expected a module that loads, got "Error: no GPU".'],
  ])('should refuse a module that reads %j', async (source, words) => {
    const [code, message] = await faultOf(() => open(source));
    expect(code).toBe('TRIB_FILE');
    expect(message).toContain(words);
  });

  it('should refuse a module that is not there', async () => {
    const settings = { path: 'nowhere/reward.mjs', options: {}, timeoutMs: 1000 };
    const [code, message] = await faultOf(() => openAt(settings));
    expect(code).toBe('TRIB_FILE');
    expect(message).toContain(
      'reward module nowhere/reward.mjs: expected a module that loads, got no file there.',
    );
  });
});
