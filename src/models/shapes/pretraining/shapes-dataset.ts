import { PICTURE_LENGTH, renderScene } from '../pictures/render.js';
import { sampleScene } from '../pictures/scene.js';
import { formatPrompt, TEMPLATES } from '../prompts/grammar.js';
import { corruptCaption } from '../prompts/near-miss.js';
import { parsePrompt } from '../prompts/parse-prompt.js';
import { captionPrompts } from '../prompts/prompt-lists.js';

interface DrawBatchOptions {
  readonly batchSize: number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Probability that a caption is a near miss of what is drawn, in [0, 1]. */
  readonly captionCorruption: number;
  /** Probability that a caption is empty, for classifier-free guidance, in [0, 1]; decided after corruption. */
  readonly dropout: number;
}

interface ShapesBatch {
  /** `[B, 3, 16, 16]` float32 in [-1, 1]. */
  readonly images: Float32Array;
  /** The captions: right, nearly right, or empty. */
  readonly prompts: readonly string[];
  /** What each picture really shows; never empty. */
  readonly drawnPrompts: readonly string[];
}

/**
 * Draws pictures with captions: a template, one of its prompts that are not held out, both uniformly, and a scene of it.
 * The caption may be a near miss (a picture of "two red circles" called "three red circles") or empty.
 */
export function drawBatch({ batchSize, random, captionCorruption, dropout }: DrawBatchOptions): ShapesBatch {
  const images = new Float32Array(batchSize * PICTURE_LENGTH);
  const prompts: string[] = [];
  const drawnPrompts: string[] = [];
  for (let index = 0; index < batchSize; index++) {
    const candidates = captionPrompts(TEMPLATES[Math.floor(random() * TEMPLATES.length)]!);
    const prompt = candidates[Math.floor(random() * candidates.length)]!;
    const target = images.subarray(index * PICTURE_LENGTH, (index + 1) * PICTURE_LENGTH);
    renderScene(sampleScene(prompt, random), target);
    const drawnPrompt = formatPrompt(prompt);
    const caption = random() < captionCorruption ? corruptCaption(drawnPrompt, random) : drawnPrompt;
    drawnPrompts.push(drawnPrompt);
    prompts.push(random() < dropout ? '' : caption);
  }
  return { images, prompts, drawnPrompts };
}

/**
 * Draws a picture `[3, 16, 16]` float32 in [-1, 1] of the prompt, or of a near miss from `hardNegatives`.
 *
 * Errors: TRIB_PROMPT if the prompt cannot be read.
 * @param target where to draw, of length 768; default a new array.
 */
export function drawPicture(prompt: string, random: () => number, target?: Float32Array): Float32Array {
  return renderScene(sampleScene(parsePrompt(prompt), random), target);
}
