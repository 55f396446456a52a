import { topicOf } from '../../config/graph/topology-graph.js';
import { rewardNameFault } from '../../config/resolved/named-rewards.js';
import { stageOf } from '../../config/resolved/stage-of.js';
import type { ResolvedConfig } from '../../config/schema/topology-schema.js';
import type { TopicMessages } from '../../messages/messages.js';
import type { ListedPrompt } from '../../messages/prompts.js';
import type { RunEvent } from '../../messages/run-events.js';
import type { Transport } from '../../transport/contract/transport.js';
import { stageTransport } from '../../transport/stage-transport.js';
import { PromptInbox } from './prompt-inbox.js';
import { openPromptsServer } from './prompts-server.js';
import type { PromptSource } from './prompts-stage.js';

interface OpenPromptSource {
  readonly source: PromptSource;
  /** Answers the requests in flight and takes no more; the transport must still be open. */
  close(): Promise<void>;
}

interface PromptSourceOptions {
  readonly config: ResolvedConfig;
  readonly transport: Transport<TopicMessages>;
  readonly say: (event: RunEvent) => void;
  /** Reads the file that `train` names; called only if it is needed. */
  readonly readTrain: () => Promise<readonly ListedPrompt[]>;
}

const LOOPBACK = ['127.0.0.1', 'localhost', '::1'];

/** Whether the prompts come from a topic: then only one process may give them to groups. */
export function takesIncomingPrompts(config: ResolvedConfig): boolean {
  return stageOf(config, 'prompts').source.from === 'topic';
}

/** Opens the source of prompts: a file, or a topic, with an HTTP endpoint in front if the config has one. */
export async function openPromptSource({
  config,
  transport,
  say,
  readTrain,
}: PromptSourceOptions): Promise<OpenPromptSource> {
  const { source, name } = stageOf(config, 'prompts');
  if (source.from === 'file')
    return { source: { from: 'file', prompts: await readTrain() }, close: async () => undefined };
  const inbox = new PromptInbox({
    transport: stageTransport(transport, config, name),
    maxWaiting: source.maxWaiting,
    faultOf: rewardNameFault(config),
    isDirect: topicOf(config, name, 'reads', 'incoming-prompts') === 'incoming-prompts',
  });
  if (!source.http) return { source: { from: 'topic', inbox }, close: async () => undefined };
  const token = process.env.TRIBUTARY_PROMPTS_TOKEN || undefined;
  const { host } = source.http;
  if (token === undefined && !LOOPBACK.includes(host))
    say({
      kind: 'warning',
      message: `prompts endpoint: anyone who reaches ${host} may post prompts. Set TRIBUTARY_PROMPTS_TOKEN.`,
    });
  const server = await openPromptsServer({ ...source.http, token, inbox });
  say({ kind: 'listening', url: server.url });
  return { source: { from: 'topic', inbox }, close: () => server.close() };
}
