/** @file Topics of the transport contract, and what its parts are written with. */

import type {
  Delivery,
  TopicDeclaration,
  Transport,
} from '../../src/streams/transport/contract/transport.js';
import type { Inbox } from './inbox.js';

/** What the contract sends: `work` and `state` carry these, dead letters carry what was refused. */
export type ContractMessages = { work: unknown; other: unknown; state: unknown; 'dead-letters': unknown };

export const CAPACITY = 4;
export const MAX_ATTEMPTS = 3;

export const CONTRACT_TOPICS: readonly (TopicDeclaration & { name: keyof ContractMessages })[] = [
  { name: 'work', kind: 'queue', capacity: CAPACITY },
  { name: 'other', kind: 'queue', capacity: 64 },
  { name: 'dead-letters', kind: 'queue', capacity: 64 },
  { name: 'state', kind: 'broadcast' },
];

/** What the parts of the contract are written with. */
export interface ContractParts {
  readonly should: (title: string, test: (transport: Transport<ContractMessages>) => Promise<void>) => void;
  readonly inbox: (
    transport: Transport<ContractMessages>,
    options?: {
      consumerGroup?: string;
      maxInFlight?: number;
      topic?: 'work' | 'other' | 'dead-letters';
      onDelivery?: (delivery: Delivery<unknown>) => void;
      onRepeat?: () => void;
    },
  ) => Inbox;
  readonly shared: (consumerGroup: string, members: number) => Promise<void>;
}
