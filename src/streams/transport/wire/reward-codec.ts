import type { MessageInitShape } from '@bufbuild/protobuf';
import type { GroupRewards, LossReason, LostGroup, PartRewards } from '../../../operators/index.js';
import { MessageFault, messageCodec, requireField } from './message-codec.js';
import { GroupRewardsSchema, LossReason as LossReasonWire, type RewardPart } from './tributary_pb.js';

const REASONS: Readonly<Record<LossReason, LossReasonWire>> = {
  stale: LossReasonWire.STALE,
  'dead-letter': LossReasonWire.DEAD_LETTER,
  unmatched: LossReasonWire.UNMATCHED,
  dropped: LossReasonWire.DROPPED,
};

/** Rewards of a group, or why it has none. */
export const rewardsCodec = messageCodec({
  kind: 'group rewards',
  schema: GroupRewardsSchema,
  toWire: (message: GroupRewards | LostGroup): MessageInitShape<typeof GroupRewardsSchema> => {
    const { groupId, round } = message;
    if ('rewards' in message)
      return {
        groupId,
        round,
        outcome: {
          case: 'rewards',
          value: { values: [...message.rewards], parts: partsToWire(message.parts) },
        },
      };
    const { reason, detail, operator = '' } = message;
    return {
      groupId,
      round,
      outcome: { case: 'loss', value: { reason: REASONS[reason], detail, operator } },
    };
  },
  fromWire: ({ groupId, round, outcome }) => {
    requireField(groupId !== '', 'group_id', 'a group id', '""');
    switch (outcome.case) {
      case 'rewards': {
        const rewards = outcome.value.values;
        const place = rewards.findIndex((reward) => !Number.isFinite(reward));
        requireField(place < 0, `rewards.values[${place}]`, 'a finite number', rewards[place]);
        requireField(rewards.length > 0, 'rewards.values', 'one number a branch', 'none');
        return { groupId, round, rewards, ...partsFromWire(outcome.value.parts, rewards.length) };
      }
      case 'loss': {
        const { reason, detail, operator } = outcome.value;
        return { groupId, round, reason: reasonOf(reason), detail, ...(operator !== '' && { operator }) };
      }
      default:
        throw new MessageFault('outcome', 'rewards or a loss', 'neither');
    }
  },
});

const partsToWire = (parts: readonly PartRewards[] = []) =>
  parts.map(({ name, weight, rewards }) => ({ name, weight, values: [...rewards] }));

function partsFromWire(wire: readonly RewardPart[], count: number): Pick<GroupRewards, 'parts'> {
  if (wire.length === 0) return {};
  const parts = wire.map(({ name, weight, values }, index): PartRewards => {
    const place = `rewards.parts[${index}]`;
    requireField(name !== '', `${place}.name`, 'the name of a part', '""');
    requireField(Number.isFinite(weight), `${place}.weight`, 'a finite number', weight);
    requireField(values.length === count, `${place}.values`, `${count} numbers`, values.length);
    const wrong = values.find((value) => !Number.isFinite(value));
    requireField(wrong === undefined, `${place}.values`, 'finite numbers', wrong);
    return { name, weight, rewards: values };
  });
  return { parts };
}

function reasonOf(wire: LossReasonWire): LossReason {
  const reasons = Object.keys(REASONS) as LossReason[];
  const reason = reasons.find((one) => REASONS[one] === wire);
  if (reason === undefined) throw new MessageFault('loss.reason', reasons.join(', '), String(wire));
  return reason;
}
