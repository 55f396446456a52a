import type { IncomingPrompt } from '../../messages/messages.js';
import { messageCodec, requireField } from './message-codec.js';
import { metadataFromWire, metadataToWire } from './metadata-wire.js';
import { IncomingPromptSchema } from './tributary_pb.js';

/** Whether the prompt can be used is asked where it is taken in, as with any transport. */
export const incomingPromptCodec = messageCodec({
  kind: 'incoming prompt',
  schema: IncomingPromptSchema,
  toWire: ({ id, prompt, metadata }: IncomingPrompt) => ({ id, prompt, ...metadataToWire(metadata) }),
  fromWire: ({ id, prompt, metadata }): IncomingPrompt => {
    requireField(id !== '', 'incoming_prompt.id', 'an id', '""');
    return { id, prompt, ...metadataFromWire(metadata, 'incoming_prompt.metadata') };
  },
});
