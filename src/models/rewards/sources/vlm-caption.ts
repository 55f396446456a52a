/** @file DDPO's prompt alignment: a vision-language model captions a picture, and BERTScore compares caption and prompt. */

import { filePath, text } from '../../../fields.js';
import { sideBySide } from '../../threads/side-by-side.js';
import { runsOn } from '../contract/reward-scorer.js';
import { defineRewardSource } from '../contract/reward-source.js';
import { bertScoreRecall, openTokenEncoder } from '../encoders/token-embeddings.js';
import { chatFields, createChatService, fillTemplate } from '../services/chat-service.js';

/**
 * r = BERTScore recall of the reference sentence in the caption (Black et al. 2023; ddpo-pytorch ddpo_pytorch/rewards.py,
 * llava_bertscore).
 *
 * Departure: pictures are sent as PNG, where DDPO sends JPEG of quality 80.
 */
export const vlmCaption = defineRewardSource({
  name: 'vlm-caption',
  summary:
    "DDPO's prompt alignment: BERTScore recall between the prompt and a vision-language model's caption of the picture.",
  fields: {
    ...chatFields,
    question: text('a question')
      .default('Answer concisely: what is going on in this image?')
      .describe("What is asked about every picture; {prompt} is replaced by the prompt. Default: DDPO's."),
    reference: text('a sentence')
      .default('The image contains {prompt}')
      .describe('What the caption is compared with; {prompt} is replaced by the prompt.'),
    encoder: filePath('the folder of a text encoder', 'folder').describe(
      'Folder of a text encoder in ONNX form: model.onnx, with the output last_hidden_state, and the tokenizer files. DDPO uses DeBERTa.',
    ),
  },
  sideBySide: 'the endpoint must answer requestsAtOnce requests for each',
  async create(settings, context) {
    const { question, reference, requestsAtOnce } = settings;
    const chat = createChatService(settings, context, { wantsLogprobs: false });
    const encoder = await openTokenEncoder(context.engine(), settings.encoder);
    return {
      runsOn: runsOn(encoder),
      async score({ prompt, images }, signal) {
        const asked = fillTemplate(question, prompt);
        const wanted = await encoder.embed(fillTemplate(reference, prompt));
        const recallOf = async (image: Float32Array, either: AbortSignal) => {
          const caption = await chat.ask(asked, [image], either);
          return bertScoreRecall(wanted, await encoder.embed(caption.text));
        };
        return { rewards: await sideBySide(images, requestsAtOnce, recallOf, signal), features: null };
      },
      close: () => encoder.release(),
    };
  },
});
