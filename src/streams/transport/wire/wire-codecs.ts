import type { TopicMessages } from '../../messages/messages.js';
import { controlCodec } from './control-codec.js';
import { amongGatewaysCodec, deletionCodec } from './gateway-codecs.js';
import type { MessageCodec } from './message-codec.js';
import { drawnCodec, feedbackCodec, requestCodec } from './people-codecs.js';
import { rewardsCodec } from './reward-codec.js';
import {
  imagesCodec,
  incomingPromptCodec,
  intervalCodec,
  ticketCodec,
  trajectoriesCodec,
} from './rollout-codecs.js';
import { metricCodec, policyCodec, progressCodec } from './state-codecs.js';

/** Version of tributary.proto, in the header of every record. A reader refuses versions that it does not know. */
export const SCHEMA_VERSION = '1';

/** Topics that lead from process to process. Batches never leave the trainer; dead letters keep their original bytes. */
export type WireTopic = Exclude<keyof TopicMessages, 'batches' | 'dead-letters'>;

/** How the messages of each topic are written. */
export const WIRE_CODECS: { readonly [Topic in WireTopic]: MessageCodec<TopicMessages[Topic]> } = {
  'incoming-prompts': incomingPromptCodec,
  prompts: ticketCodec,
  images: imagesCodec,
  trajectories: trajectoriesCodec,
  rewards: rewardsCodec,
  schedule: intervalCodec,
  policy: policyCodec,
  progress: progressCodec,
  requests: requestCodec,
  drawn: drawnCodec,
  feedback: feedbackCodec,
  deletions: deletionCodec,
  people: amongGatewaysCodec,
  control: controlCodec,
  metrics: metricCodec,
};
