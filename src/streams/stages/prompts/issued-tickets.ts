import type { PromptTicket } from '../../../operators/index.js';
import { stageOf } from '../../config/resolved/stage-of.js';
import type { ResolvedConfig } from '../../config/schema/topology-schema.js';
import type { TopicMessages } from '../../messages/messages.js';
import type { Transport } from '../../transport/contract/transport.js';
import { groupFault } from '../shared/group-faults.js';

/** What a run issued before this process began. */
export interface IssuedTickets {
  /** Tickets of rounds that are not finished, by group index. */
  readonly unfinished: ReadonlyMap<number, PromptTicket>;
  /** Incoming prompts that have become groups. */
  readonly sources: RecentIds;
}

/** Groups whose incoming prompts are remembered; twice `runAhead` if that is more. */
const REMEMBERED_GROUPS = 100_000;

/** Reads the tickets back from their topic. Of two for one group the first counts. */
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

/** Ids of the prompts that became the newest groups, by index. It forgets older ones, which bounds memory. */
export class RecentIds {
  readonly #groups = new Map<string, number>();
  #newest = -1;

  constructor(private readonly maxGroups: number) {}

  has(id: string): boolean {
    return this.#groups.has(id);
  }

  add(id: string, groupIndex: number): void {
    this.#groups.set(id, groupIndex);
    this.#newest = Math.max(this.#newest, groupIndex);
    if (this.#groups.size < 2 * this.maxGroups) return;
    for (const [known, index] of this.#groups) {
      if (index <= this.#newest - this.maxGroups) this.#groups.delete(known);
    }
  }
}
