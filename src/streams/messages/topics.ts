/** Which kind of message travels on a topic. */
type MessageKind =
  | 'incoming prompt'
  | 'prompt ticket'
  | 'group images'
  | 'group trajectories'
  | 'group rewards'
  | 'round batch'
  | 'training interval'
  | 'policy'
  | 'progress'
  | 'control'
  | 'metric'
  | 'picture request'
  | 'drawn pictures'
  | 'feedback'
  | 'deletion'
  | 'among gateways'
  | 'dead letter';

export interface TopicSpec {
  /** Shared among readers, or the newest value for everyone. */
  readonly kind: 'queue' | 'broadcast';
  readonly message: MessageKind;
  /** What messages are keyed by; order is kept per key. */
  readonly key: 'prompt id' | 'group id' | 'run id' | 'person' | 'question id';
  /** Whether a stage must read it. The run itself reads the others. */
  readonly needsReader: boolean;
  /** Whether anyone outside the topology may write it; it then needs no stage that does. Default: no. */
  readonly isFedFromOutside?: boolean;
  readonly summary: string;
}

/** The topics of every topology. */
export const TOPICS = {
  'incoming-prompts': {
    kind: 'queue',
    message: 'incoming prompt',
    key: 'prompt id',
    needsReader: true,
    isFedFromOutside: true,
    summary:
      'Prompts to train on that anyone may write; read if the prompts stage takes its prompts from a topic.',
  },
  prompts: {
    kind: 'queue',
    message: 'prompt ticket',
    key: 'group id',
    needsReader: true,
    summary: 'Prompts ready to be sampled; acknowledged when their group is finished.',
  },
  images: {
    kind: 'queue',
    message: 'group images',
    key: 'group id',
    needsReader: true,
    summary: 'Final images of a group, one per branch.',
  },
  trajectories: {
    kind: 'queue',
    message: 'group trajectories',
    key: 'group id',
    needsReader: true,
    summary: 'Latents and log-probs of the trained steps of a group.',
  },
  rewards: {
    kind: 'queue',
    message: 'group rewards',
    key: 'group id',
    needsReader: true,
    summary: 'One finite number per branch.',
  },
  batches: {
    kind: 'queue',
    message: 'round batch',
    key: 'run id',
    needsReader: true,
    summary: 'Selected samples of one round, with their advantages.',
  },
  schedule: {
    kind: 'broadcast',
    message: 'training interval',
    key: 'run id',
    needsReader: true,
    summary: 'Which sampler steps are trained now.',
  },
  policy: {
    kind: 'broadcast',
    message: 'policy',
    key: 'run id',
    needsReader: true,
    summary: 'LoRA weights and their version.',
  },
  progress: {
    kind: 'broadcast',
    message: 'progress',
    key: 'run id',
    needsReader: true,
    summary: 'Groups that are finished, and the round that begins.',
  },
  requests: {
    kind: 'queue',
    message: 'picture request',
    key: 'group id',
    needsReader: true,
    summary: 'Pictures that people asked for, drawn before the groups of the prompts stage.',
  },
  drawn: {
    kind: 'queue',
    message: 'drawn pictures',
    key: 'group id',
    needsReader: true,
    summary:
      'What became of a request: pictures, and what it takes to train on them. Every gateway reads all of them.',
  },
  feedback: {
    kind: 'queue',
    message: 'feedback',
    key: 'group id',
    needsReader: true,
    isFedFromOutside: true,
    summary: 'What people say of the pictures of a group. Every gateway reads all of it.',
  },
  deletions: {
    kind: 'queue',
    message: 'deletion',
    key: 'person',
    needsReader: true,
    summary:
      'People whose data is deleted. Every gateway reads all of them, over Kafka also one that was away.',
  },
  people: {
    kind: 'queue',
    message: 'among gateways',
    key: 'question id',
    needsReader: true,
    summary: 'What gateways ask each other about a person, and answer. Kept for an hour.',
  },
  control: {
    kind: 'broadcast',
    message: 'control',
    key: 'run id',
    needsReader: true,
    isFedFromOutside: true,
    summary: 'Commands to a run in progress; written by `tributary control`, not by a stage.',
  },
  metrics: {
    kind: 'queue',
    message: 'metric',
    key: 'group id',
    needsReader: false,
    summary: 'Named numbers of a round.',
  },
  'dead-letters': {
    kind: 'queue',
    message: 'dead letter',
    key: 'group id',
    needsReader: false,
    summary: 'Messages that could not be processed, with origin, stage, reason and attempts.',
  },
} as const satisfies Record<string, TopicSpec>;

export type TopicName = keyof typeof TOPICS;

/** Returns the name if it is one of the catalog. */
export const catalogTopic = (name: string): TopicName | undefined =>
  Object.hasOwn(TOPICS, name) ? (name as TopicName) : undefined;

export const TOPIC_NAMES = Object.keys(TOPICS) as [TopicName, ...TopicName[]];
