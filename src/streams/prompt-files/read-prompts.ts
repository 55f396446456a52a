import { TributaryError } from '../../errors.js';
import { promptCheck } from '../../models/pipeline/embeddings/fitting-embeddings.js';
import { parsePromptOrNull } from '../../models/shapes/prompts/parse-prompt.js';
import { negativePart } from '../../prompt-metadata.js';
import { embeddingsOf } from '../config/resolved/embeddings-of.js';
import { rewardNameFault } from '../config/resolved/named-rewards.js';
import { mergedSources } from '../config/resolved/prompt-sources.js';
import { promptSizeFault } from '../config/resolved/size-of.js';
import { stageOf } from '../config/resolved/stage-of.js';
import type { ResolvedConfig } from '../config/schema/topology-schema.js';
import type { ListedPrompt } from '../messages/prompts.js';
import { describePromptFile, type PromptFile, readPromptFile } from './prompt-file.js';

/** The prompts that a run trains on, and those it only measures. */
export interface PromptLists {
  readonly train: PromptFile;
  readonly heldOut: PromptFile;
  /** The files of merged sources that have one of their own, by name of the source; absent if none has. */
  readonly sources?: Readonly<Record<string, PromptFile>>;
}

/**
 * Reads the prompt files of a config. Unless a check is given, the model must know every word.
 *
 * Errors: as `readPromptFile`.
 */
export async function readPromptLists(
  config: ResolvedConfig,
  given?: (prompt: string) => void,
): Promise<PromptLists> {
  const check = given ?? (await promptCheck(config.model.pipeline, embeddingsOf(config)));
  const { train, heldOut } = stageOf(config, 'prompts');
  const lists = {
    train: await readPrompts(train, config, check),
    heldOut: await readPrompts(heldOut, config, check),
  };
  const sources: Record<string, PromptFile> = {};
  for (const source of mergedSources(config)) {
    if (source.from === 'file' && source.file !== undefined)
      sources[source.name] = await readPrompts(source.file, config, check);
  }
  return { ...lists, ...(Object.keys(sources).length > 0 && { sources }) };
}

/** Reads one prompt file as the `prompts` stage of a config says. Errors: as `readPromptFile`. */
export async function readPrompts(
  path: string,
  config: ResolvedConfig,
  given?: (prompt: string) => void,
): Promise<PromptFile> {
  const check = given ?? (await promptCheck(config.model.pipeline, embeddingsOf(config)));
  const checkRewards = rewardCheck(config);
  const sizeFault = promptSizeFault(config);
  return readPromptFile(path, {
    comments: stageOf(config, 'prompts').comments ?? true,
    check: (listed) => {
      checkRewards(listed);
      const fault = sizeFault(listed);
      if (fault !== null) throw new TributaryError('TRIB_PROMPT', `${fault}. ${SIZE_STEP}`);
      check(listed.prompt);
      const { negativePrompt } = negativePart(listed.metadata);
      if (negativePrompt !== undefined) check(negativePrompt);
    },
  });
}

const SIZE_STEP =
  'Add { width, height, weight: 0 } to the buckets, or give the key another name if it is no size to draw.';

/** Returns a check that throws for a prompt that names a reward which the config does not have. */
export function rewardCheck(config: Pick<ResolvedConfig, 'stages'>): (prompt: ListedPrompt) => void {
  const faultOf = rewardNameFault(config);
  return (prompt) => {
    const fault = faultOf(prompt);
    if (fault !== null)
      throw new TributaryError('TRIB_PROMPT', `${fault}. Correct the name, or add the part to the config.`);
  };
}

/** Both lists as lines to print, name and value, and how many prompts the verifier of the config cannot read. */
export function promptRows(
  { train, heldOut, sources = {} }: PromptLists,
  { evaluation: { verifier } }: ResolvedConfig,
): readonly (readonly [name: string, value: string])[] {
  const unread = ({ prompts }: PromptFile) =>
    verifier === 'none' ? 0 : prompts.filter(({ prompt }) => parsePromptOrNull(prompt) === null).length;
  const [ofTrain, ofHeldOut] = [unread(train), unread(heldOut)];
  return [
    ['training prompts', describePromptFile(train)],
    ['held-out prompts', describePromptFile(heldOut)],
    ...Object.entries(sources).map(
      ([name, file]) => [`prompts of ${name}`, describePromptFile(file)] as const,
    ),
    ...(ofTrain + ofHeldOut === 0
      ? []
      : [
          [
            'not verified',
            `${ofTrain} training and ${ofHeldOut} held-out prompts, which the verifier ${verifier} cannot read`,
          ] as const,
        ]),
  ];
}
