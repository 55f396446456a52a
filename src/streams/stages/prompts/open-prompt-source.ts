import { isLoopback } from '../../../server/host-check.js';
import { doorTopic } from '../../config/graph/stage-wires.js';
import { topicOf } from '../../config/graph/topology-graph.js';
import { type RewardNameFault, rewardNameFault } from '../../config/resolved/named-rewards.js';
import { mergedSources } from '../../config/resolved/prompt-sources.js';
import { promptSizeFault } from '../../config/resolved/size-of.js';
import { stageOf } from '../../config/resolved/stage-of.js';
import type { ResolvedConfig, StageConfig } from '../../config/schema/topology-schema.js';
import type { TopicMessages } from '../../messages/messages.js';
import type { RunEvent } from '../../messages/run-events.js';
import type { PromptLists } from '../../prompt-files/read-prompts.js';
import type { Transport } from '../../transport/contract/transport.js';
import { PromptInbox } from './prompt-inbox.js';
import { openPromptsServer } from './prompts-server.js';
import type { PromptSource } from './prompts-stage.js';
import type { MergedSource } from './waiting-prompts.js';

type TopicSettings = Extract<StageConfig<'prompts'>['source'], { readonly from: 'topic' }>;

interface OpenPromptSource {
  readonly source: PromptSource;
  /** Answers the requests in flight and takes no more; the transport must still be open. */
  close(): Promise<void>;
}

interface PromptSourceOptions {
  readonly config: ResolvedConfig;
  readonly transport: Transport<TopicMessages>;
  readonly say: (event: RunEvent) => void;
  /** Reads the prompt files; called only if one is needed. */
  readonly readLists: () => Promise<PromptLists>;
  /** Whether endpoints are opened where the config has them. Default: yes. */
  readonly takesRequests?: boolean;
}

/** Opens the source of prompts: files, topics, or both, with HTTP endpoints where the config has them. */
export async function openPromptSource(options: PromptSourceOptions): Promise<OpenPromptSource> {
  const { config, transport, readLists } = options;
  const { source, name } = stageOf(config, 'prompts');
  const setting = `stages.${name}.source`;
  const keepOpen = async () => undefined;
  if (source.from === 'file') {
    const { train } = await readLists();
    return { source: { from: 'file', prompts: train.prompts }, close: keepOpen };
  }
  const [nameFault, sizeFault] = [rewardNameFault(config), promptSizeFault(config)];
  const faultOf: RewardNameFault = (prompt) => nameFault(prompt) ?? sizeFault(prompt);
  if (source.from === 'topic') {
    const inbox = new PromptInbox({
      transport,
      maxWaiting: source.maxWaiting,
      faultOf,
      topic: topicOf(config, name, 'reads', 'incoming-prompts'),
      door: 'incoming-prompts',
    });
    const close = await openEndpoint(options, inbox, `${setting}.http`, source.http);
    return { source: { from: 'topic', inbox }, close };
  }
  const lists = mergedSources(config).some(({ from }) => from === 'file') ? await readLists() : null;
  const closings: (() => Promise<void>)[] = [];
  const close = async () => void (await Promise.all(closings.map((close) => close())));
  const sources: MergedSource[] = [];
  try {
    for (const { name: own, ...settings } of mergedSources(config)) {
      const { priority, weight } = settings;
      if (settings.from === 'file') {
        const isTrain = settings.file === undefined;
        const prompts = (isTrain ? lists?.train : lists?.sources?.[own])?.prompts ?? [];
        sources.push({ from: 'file', priority, weight, waits: false, prompts, isTrain });
        continue;
      }
      const door = doorTopic(own);
      const { maxWaiting, http, topic = door, whenEmpty } = settings;
      const inbox = new PromptInbox({ transport, maxWaiting, faultOf, topic, door, source: own });
      closings.push(await openEndpoint(options, inbox, `${setting}.sources.${own}.http`, http));
      sources.push({ from: 'topic', priority, weight, waits: whenEmpty === 'wait', inbox });
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { source: { from: 'merge', sources }, close };
}

/** Opens the endpoint of a source, if it has one; returns what closes it. */
async function openEndpoint(
  { say, takesRequests = true }: PromptSourceOptions,
  inbox: PromptInbox,
  setting: string,
  http: TopicSettings['http'],
): Promise<() => Promise<void>> {
  if (!http || !takesRequests) return async () => undefined;
  const token = process.env.TRIBUTARY_PROMPTS_TOKEN || undefined;
  const { host } = http;
  if (token === undefined && !isLoopback(host))
    say({
      kind: 'warning',
      message: `prompts endpoint: anyone who reaches ${host} may post prompts. Set TRIBUTARY_PROMPTS_TOKEN.`,
    });
  const server = await openPromptsServer({ ...http, token, inbox, setting });
  say({ kind: 'listening', url: server.url, what: 'prompts' });
  return () => server.close();
}
