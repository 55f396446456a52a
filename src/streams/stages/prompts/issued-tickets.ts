import type { PromptTicket } from '../../../operators/index.js';
import { stageOf } from '../../config/resolved/stage-of.js';
import type { ResolvedConfig } from '../../config/schema/topology-schema.js';
import type { TopicMessages } from '../../messages/messages.js';
import type { Transport } from '../../transport/contract/transport.js';
import { groupFault } from '../work/group-fault.js';
import { RecentIds } from './recent-ids.js';

/** What a run has issued before this process began. */
export interface IssuedTickets {
  /** Tickets of rounds that are not finished, by group index. */
  readonly unfinished: ReadonlyMap<number, PromptTicket>;
  /** Incoming prompts that have become groups. */
  readonly sources: RecentIds;
}

/** Groups whose incoming prompts are remembered; never fewer than may be in flight. */
const REMEMBERED_GROUPS = 100_000;

/** Reads the tickets that are in their topic. Of two for one group the first counts. */
export async function readIssued(
  transport: Transport<TopicMessages>,
  config: ResolvedConfig,
  firstRound: number,
): Promise<IssuedTickets> {
  const { groupsPerRound, runAhead } = stageOf(config, 'prompts');
  const faultOf = groupFault(config);
  const unfinished = new Map<number, PromptTicket>();
  const sources = new RecentIds(Math.max(REMEMBERED_GROUPS, 2 * runAhead));
  await transport.readBack('prompts', (ticket) => {
    const { groupId, groupIndex, round, sourceId } = ticket;
    const isKnown = groupId === `${round}-${groupIndex - round * groupsPerRound}`;
    if (!isKnown || faultOf(ticket) !== null) return;
    if (sourceId !== undefined) sources.add(sourceId, groupIndex);
    if (round >= firstRound && !unfinished.has(groupIndex)) unfinished.set(groupIndex, ticket);
  });
  return { unfinished, sources };
}
