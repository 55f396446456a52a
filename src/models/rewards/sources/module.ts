/** @file Rewards from the user's JavaScript module, whose answers are not trusted; docs/rewards.md describes its exports. */

import * as z from 'zod';
import { TributaryError } from '../../../errors.js';
import { filePath, integer, section } from '../../../fields.js';
import { calling, OWN_KINDS, type OwnEntry, OwnFault } from '../../../own-entries.js';
import { importModule, type ModuleProblem } from '../../../own-modules.js';
import type { PromptMetadata } from '../../../prompt-metadata.js';
import { type Rgb8Image, toRgb8 } from '../../images/picture.js';
import { toUnitLength } from '../contract/features.js';
import type { ScoredPictures } from '../contract/reward-scorer.js';
import { defineRewardSource } from '../contract/reward-source.js';
import { lengthsFault, readScoredAnswer } from '../services/scored-answer.js';

/** The argument of a module's `score`. */
export interface ModulePictures {
  readonly prompt: string;
  /** What the prompt's file or sender adds to it; may be empty. */
  readonly metadata: PromptMetadata;
  /** One per picture: 8-bit `data` [height, width, 3], and `values` [3, height, width] in [-1, 1] as the sampler made them. */
  readonly images: readonly (Rgb8Image & { readonly values: Float32Array })[];
  /** The mapping of the config. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Aborted if the answer is no longer wanted. */
  readonly signal: AbortSignal;
}

type Options = Readonly<Record<string, unknown>>;

interface RewardModule {
  readonly score: (pictures: ModulePictures) => unknown;
  readonly close?: () => unknown;
}

/**
 * Errors: TRIB_FILE if the module does not load or exports no `score`; TRIB_REWARD if `score` throws, takes too long or
 * returns something else, `retryable` if it is late or throws an error with `retryable`.
 */
export const moduleReward = defineRewardSource({
  name: 'module',
  summary: 'The answers of your JavaScript module, which runs in the reward thread (docs/rewards.md).',
  fields: {
    path: filePath('the path of a JavaScript module', 'file').describe(
      'The module, an .mjs or .js file. It runs with all privileges of this program.',
    ),
    options: z
      .record(z.string(), z.unknown(), { error: 'a mapping' })
      .default({})
      .describe('Passed to the module unchanged.'),
    timeoutMs: integer(1, 3_600_000)
      .default(60_000)
      .describe(
        'Milliseconds that the module may take for the pictures of a group. Only asynchronous waiting is cut short; a computation that never yields cannot be stopped.',
      ),
  },
  sideBySide: 'the module must accept concurrent calls',
  async create({ path, options, timeoutMs }, { imageShape: [, height, width] }) {
    const { score, close } = await load(path, options);
    return {
      runsOn: null,
      async score({ prompt, metadata = {}, images }, signal) {
        const timeout = AbortSignal.timeout(timeoutMs);
        const either = AbortSignal.any([signal, timeout]);
        const pictures = images.map((values) => ({ ...toRgb8(values, height, width), values }));
        const call = async () => score({ prompt, metadata, images: pictures, options, signal: either });
        const answer = await Promise.race([call(), aborted(either)]).catch((cause: unknown) => {
          if (signal.aborted) throw canceled(path);
          if (timeout.aborted) throw late(path, timeoutMs, cause);
          throw thrown(path, cause);
        });
        return read(path, answer, images.length);
      },
      async close() {
        await close?.();
      },
    };
  },
});

async function load(path: string, options: Options): Promise<RewardModule> {
  const read = await readRewardModule({ path, options });
  if ('score' in read) return read;
  const [place, { expected, got }, nextStep] =
    'got' in read
      ? ['', read, 'Correct the module or its path, see docs/rewards.md.']
      : [
          ` ${['options', ...(read.issues[0]?.path ?? [])].map(String).join('.')}`,
          { expected: read.issues[0]?.message, got: JSON.stringify(options) },
          'Correct the options of the config.',
        ];
  throw new TributaryError(
    'got' in read ? 'TRIB_FILE' : 'TRIB_CONFIG',
    `reward module ${path}${place}: expected ${expected}, got ${got}. ${nextStep}`,
  );
}

/** A reward may load a large model, or start a service. */
const LOADS_WITHIN_SECONDS = 1800;

/** Loads a reward module, and creates what it defines; returns what is wrong with it, or with the options. */
export async function readRewardModule({
  path,
  options,
}: {
  readonly path: string;
  readonly options: Options;
}): Promise<RewardModule | ModuleProblem | { readonly issues: readonly z.core.$ZodIssue[] }> {
  const imported = await importModule(path, LOADS_WITHIN_SECONDS);
  if ('got' in imported) return imported;
  const { exported } = imported;
  const entry = exported.default as Partial<OwnEntry> | null | undefined;
  if (entry?.kind === 'reward') return create(path, entry as OwnEntry, options);
  if (isRewardModule(exported)) return exported;
  const expected = 'it to export a function score, or by default what defineReward returns';
  const definer = entry?.kind && OWN_KINDS[entry.kind];
  const names = Object.keys(exported).map((name) =>
    name === 'score' ? 'score, which is no function' : name,
  );
  return { expected, got: definer ? `what ${definer} returns` : names.join(', ') || 'nothing' };
}

/** What a defined reward makes of its options. */
function create(path: string, { fields, create }: OwnEntry, options: Options) {
  const parsed = section(fields).safeParse(options);
  if (!parsed.success) return { issues: parsed.error.issues };
  try {
    const made = calling('reward', path, 'create', () => create(parsed.data as never));
    return isRewardModule(made) ? made : { expected: 'create to return a function score', got: 'none' };
  } catch (error) {
    if (!(error instanceof OwnFault)) throw error;
    return { expected: error.expected, got: error.got };
  }
}

const isRewardModule = (made: unknown): made is RewardModule =>
  typeof (made as Partial<RewardModule> | null | undefined)?.score === 'function';

/** Rejects when the signal aborts. */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const stop = () => reject(signal.reason);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
}

function read(path: string, answer: unknown, count: number): ScoredPictures {
  const read = readScoredAnswer(answer, { count, vectors: 'features', isListAllowed: true, quote });
  const fault = 'expected' in read ? read : lengthsFault('features', read.vectors ?? []);
  if ('rewards' in read && !fault) {
    const features = read.vectors?.map((vector) => toUnitLength(Float32Array.from(vector))) ?? null;
    return { rewards: read.rewards, features };
  }
  throw new TributaryError(
    'TRIB_REWARD',
    `reward module ${path}: expected score to return ${fault?.expected}, got ${fault?.got}. Correct the module, see docs/rewards.md.`,
  );
}

function thrown(path: string, cause: unknown): TributaryError {
  const retryable = (cause as { readonly retryable?: unknown } | null | undefined)?.retryable === true;
  return new TributaryError(
    'TRIB_REWARD',
    `reward module ${path}: expected score to return, got ${quote(String(cause))}. Correct the module.`,
    { retryable, cause },
  );
}

function late(path: string, timeoutMs: number, cause: unknown): TributaryError {
  return new TributaryError(
    'TRIB_REWARD',
    `reward module ${path}: expected score to return, got nothing in ${timeoutMs} ms. Check what it waits for, or raise timeoutMs.`,
    { retryable: true, cause },
  );
}

function canceled(path: string): TributaryError {
  return new TributaryError(
    'TRIB_CANCELLED',
    `reward module ${path}: expected a score, got a cancellation. Start the run again if it is still wanted.`,
  );
}

function quote(text: string): string {
  return `"${text.replace(/\s+/g, ' ').slice(0, 200)}"`;
}
