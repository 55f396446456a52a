/** @file The inputs of an exported reward model, as a config declares them. */

import * as z from 'zod';
import { filePath, integer, number, oneOf, section } from '../../../fields.js';
import type { Port } from '../../engines/contract/engine.js';
import { CLIP_MEAN, CLIP_STD, type ImageProcessor, processImage } from '../../images/image-processor.js';
import { toRgb8 } from '../../images/picture.js';
import type { Tensor } from '../../tensor.js';
import { requireSize } from './exported-graph.js';
import { floatInput } from './float-ports.js';
import { loadTextTokenizer } from './text-tokenizer.js';
import { attentionMask, integerRows, tokensFor } from './token-feeds.js';

const anyNumber = { from: '(-Infinity', to: 'Infinity)' } as const;
const perChannel = (
  what: string,
  element: z.ZodNumber,
  values: readonly [number, number, number],
  meaning: string,
) =>
  z
    .tuple([element, element, element], { error: `three numbers, ${what}` })
    .default([...values])
    .describe(meaning);
const tokenizerField = () =>
  filePath('the folder of a tokenizer', 'folder').describe(
    'Folder of the tokenizer: tokenizer.json and tokenizer_config.json, or the files of a CLIP tokenizer.',
  );

const sources = [
  section({
    from: z.literal('image').describe('Pixel values of the pictures: [B, 3, size, size].'),
    size: integer(1, 4096).default(224).describe('Width and height, in pixels, that the model expects.'),
    fit: oneOf(['crop', 'stretch'])
      .default('crop')
      .describe(
        'How pictures are made square: `crop` keeps the middle, as CLIP does; `stretch` keeps everything.',
      ),
    filter: oneOf(['bicubic', 'bilinear'])
      .default('bicubic')
      .describe('How pictures are resized, bit for bit as `Image.resize` of Pillow up to 12.3.'),
    mean: perChannel(
      'the mean of red, green and blue',
      number(anyNumber),
      CLIP_MEAN,
      "Subtracted from each channel, whose values are in [0, 1]. Default: CLIP's.",
    ),
    std: perChannel(
      'the deviation of red, green and blue',
      number({ from: '(0', to: 'Infinity)' }),
      CLIP_STD,
      "Each channel is divided by it. Default: CLIP's.",
    ),
  }),
  section({
    from: z.literal('token-ids').describe('Token ids of the prompt, the same in every row: [B, tokens].'),
    tokenizer: tokenizerField(),
  }),
  section({
    from: z
      .literal('attention-mask')
      .describe('1 for the tokens of the prompt, including begin and end, and 0 for padding: [B, tokens].'),
    tokenizer: tokenizerField(),
  }),
] as const;

export const declaredInput = z.discriminatedUnion('from', sources, { error: 'a mapping' });

type DeclaredInput = z.output<typeof declaredInput>;

/** Makes the tensor of one input for pictures [3, H, W] of a prompt. */
export type Feed = (prompt: string, images: readonly Float32Array[]) => Tensor;

/**
 * Prepares the feed of one input, `port`, of a graph.
 *
 * Errors: TRIB_MODEL if a picture would not fit; those of the tokenizer's folder.
 */
export async function feedFor(
  declared: DeclaredInput,
  port: Port,
  label: string,
  [, height, width]: readonly [number, number, number],
): Promise<Feed> {
  switch (declared.from) {
    case 'image': {
      const { size, fit, filter, mean, std } = declared;
      const square = { height: size, width: size };
      const frame = fit === 'crop' ? { resize: size, crop: square } : { resize: square, crop: null };
      const processor: ImageProcessor = { ...frame, filter, rescale: 1 / 255, mean, std };
      requireSize(port, [3, size, size], label, '`size`');
      return (_, images) => {
        const plane = 3 * size * size;
        const pixels = new Float32Array(images.length * plane);
        for (const [row, image] of images.entries())
          pixels.set(processImage(toRgb8(image, height, width), processor), row * plane);
        return floatInput(pixels, [images.length, 3, size, size], port, label);
      };
    }
    case 'token-ids': {
      const tokenizer = await loadTextTokenizer(declared.tokenizer);
      return (prompt, images) =>
        integerRows(tokensFor(tokenizer, prompt, port).ids, images.length, port.type);
    }
    case 'attention-mask': {
      const tokenizer = await loadTextTokenizer(declared.tokenizer);
      return (prompt, images) =>
        integerRows(attentionMask(tokensFor(tokenizer, prompt, port)), images.length, port.type);
    }
    default:
      return declared satisfies never;
  }
}
