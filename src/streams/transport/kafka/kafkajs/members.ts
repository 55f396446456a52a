import { TributaryError } from '../../../../errors.js';
import type { Admin } from './client.js';

/**
 * Returns the names of the clients that are members of a consumer group. kafkajs asks in the classic protocol, and once a
 * member of the newer one (KIP-848) has joined, the brokers answer that with a group "Dead" of nobody, however many are
 * alive in it, classic ones included. A group that is not there is "Dead" too, but it is on no list.
 *
 * **Errors**: TRIB_TRANSPORT where a member of the newer protocol has joined, so that nobody knows.
 */
export async function membersOf(
  admin: Pick<Admin, 'describeGroups' | 'listGroups'>,
  consumerGroup: string,
): Promise<readonly string[]> {
  const { groups } = await admin.describeGroups([consumerGroup]);
  if (groups.some(({ state }) => state === 'Dead')) {
    const listed = await admin.listGroups();
    if (listed.groups.some(({ groupId }) => groupId === consumerGroup))
      throw new TributaryError(
        'TRIB_TRANSPORT',
        `kafka group "${consumerGroup}": expected members of the classic protocol, which can be counted, got one of the consumer protocol. Stop that consumer, or set transport.kafka.prefix to another name.`,
      );
  }
  return groups.flatMap(({ members }) => members.map(({ clientId }) => clientId));
}
