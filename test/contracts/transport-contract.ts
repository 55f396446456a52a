import { afterEach, describe, it } from 'vitest';
import type { Transport } from '../../src/streams/transport/contract/transport.js';
import { describeBroadcasts } from './broadcast-contract.js';
import { describeConsumerGroups } from './consumer-group-contract.js';
import type { ContractMessages, ContractParts } from './contract-parts.js';
import { describeDelivery } from './delivery-contract.js';
import { Inbox } from './inbox.js';

export interface TransportUnderTest {
  /** An open, empty transport of CONTRACT_TOPICS, capacity and attempts as above. */
  readonly create: () => Promise<Transport<ContractMessages>>;
  /** Waits until so many members of a consumer group of `work` have a share of it; at once where it is left out. */
  readonly shared?: (consumerGroup: string, members: number) => Promise<void>;
  /** Cases that cannot hold, by title, each list under its reason. */
  readonly skip?: readonly { readonly reason: string; readonly tests: readonly string[] }[];
}

/** The promises of `Transport`, as tests that every implementation must pass or skip with a printed reason. */
export function describeTransport(
  name: string,
  { create, shared = async () => undefined, skip = [] }: TransportUnderTest,
): void {
  describe(`transport ${name}`, () => {
    const open: Transport<ContractMessages>[] = [];
    const opened = async () => {
      const transport = await create();
      open.push(transport);
      return transport;
    };
    const inbox: ContractParts['inbox'] = (transport, options = {}) => {
      const { consumerGroup = 'workers', maxInFlight = 1, topic = 'work', onDelivery, onRepeat } = options;
      const subscription = { topic, consumerGroup, maxInFlight, ...(onRepeat && { onRepeat }) };
      return new Inbox(transport.subscribe(subscription), onDelivery);
    };

    afterEach(async () => {
      await Promise.all(open.splice(0).map((transport) => transport.close()));
    });

    const should: ContractParts['should'] = (title, test) => {
      const skipped = skip.find(({ tests }) => tests.includes(title));
      if (skipped) it.skip(`should ${title} (skipped: ${skipped.reason})`, () => undefined);
      else it(`should ${title}`, async () => test(await opened()));
    };

    const parts = { should, inbox, shared };
    describeDelivery(parts);
    describeConsumerGroups(parts);
    describeBroadcasts(parts);
  });
}
