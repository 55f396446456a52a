import { at } from '../../../at.js';
import { PICTURE_LENGTH, renderScene } from '../pictures/render.js';
import { sampleScene } from '../pictures/scene.js';
import { formatPrompt, TEMPLATES, type Template } from '../prompts/grammar.js';
import { corruptCaption } from '../prompts/near-miss.js';
import { parsePrompt } from '../prompts/parse-prompt.js';
import { captionPrompts } from '../prompts/prompt-lists.js';

export type TemplateShares = Readonly<
  Record<Template, { readonly weight: number; readonly captionCorruption?: number | undefined }>
>;

interface DrawBatchOptions {
  readonly batchSize: number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Probability that a caption is a near miss of what is drawn, in [0, 1]. */
  readonly captionCorruption: number;
  /** By template, how often its prompts are drawn, relative to others, and another probability of a near miss. */
  readonly templates?: TemplateShares;
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
 * Draws pictures with captions: a template by its weight, uniformly one of its prompts that are not held out, and a scene
 * of it.
 * The caption may be a near miss (a picture of "two red circles" called "three red circles") or empty.
 */
export function drawBatch({ batchSize, random, dropout, ...options }: DrawBatchOptions): ShapesBatch {
  const { templates = EQUAL } = options;
  const images = new Float32Array(batchSize * PICTURE_LENGTH);
  const prompts: string[] = [];
  const drawnPrompts: string[] = [];
  for (let index = 0; index < batchSize; index++) {
    const template = drawTemplate(templates, random());
    const captionCorruption = templates[template].captionCorruption ?? options.captionCorruption;
    const candidates = captionPrompts(template);
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

const EQUAL: TemplateShares = { binding: { weight: 1 }, counting: { weight: 1 }, relation: { weight: 1 } };

/** @param random - in [0, 1). */
function drawTemplate(templates: TemplateShares, random: number): Template {
  const total = TEMPLATES.reduce((sum, name) => sum + templates[name].weight, 0);
  let left = random * total;
  for (const name of TEMPLATES) {
    left -= templates[name].weight;
    if (left < 0) return name;
  }
  return at(TEMPLATES, -1);
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
