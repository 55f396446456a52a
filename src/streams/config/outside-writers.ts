import type { TopicName } from '../messages/topics.js';
import { stageOf } from './resolved/stage-of.js';
import type { ResolvedConfig } from './schema/topology-schema.js';

/** Who writes a topic of a run without being one of its stages. */
export interface OutsideWriter {
  /** Letters alone. */
  readonly id: string;
  /** For people. */
  readonly label: string;
  readonly topic: TopicName;
}

/** Returns who may write the topics of a run that are fed from outside. Without a cluster only an endpoint lets anyone in. */
export function outsideWriters(config: ResolvedConfig): OutsideWriter[] {
  const { source } = stageOf(config, 'prompts');
  const isShared = config.transport.kind === 'kafka';
  const writers: OutsideWriter[] = [];
  if (source.from === 'topic' && source.http)
    writers.push({ id: 'endpoint', label: 'POST /prompts', topic: 'incoming-prompts' });
  if (source.from === 'topic' && isShared)
    writers.push({ id: 'traffic', label: 'your own traffic', topic: 'incoming-prompts' });
  if (isShared) writers.push({ id: 'operators', label: 'tributary control', topic: 'control' });
  return writers;
}
