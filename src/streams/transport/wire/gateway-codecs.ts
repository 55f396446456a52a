/** @file What gateways of one run tell each other about a person. */

import type { MessageInitShape } from '@bufbuild/protobuf';
import type { AmongGateways, Deletion, GatewayQuestion, PersonAnswer } from '../../messages/people.js';
import { MessageFault, messageCodec, requireField, requirePart } from './message-codec.js';
import { timeFromWire } from './people-codecs.js';
import {
  AmongGatewaysSchema,
  DeletionSchema,
  type GatewayQuestion as GatewayQuestionWire,
  type PersonAnswer as PersonAnswerWire,
} from './tributary_pb.js';

export const deletionCodec = messageCodec({
  kind: 'deletion',
  schema: DeletionSchema,
  toWire: ({ question, ...deletion }: Deletion): MessageInitShape<typeof DeletionSchema> => ({
    ...deletion,
    question: { ...question },
  }),
  fromWire: ({ person, deletedAt, question }): Deletion => {
    requireField(
      /^[0-9a-f]{64}$/.test(person),
      'person',
      'SHA-256 in hexadecimal',
      `${person.length} characters`,
    );
    return {
      person,
      deletedAt: timeFromWire(deletedAt, 'deleted_at'),
      question: questionFromWire(question, 'question'),
    };
  },
});

/** Whether texts of an answer are what they should be, only a gateway can tell. */
export const amongGatewaysCodec = messageCodec({
  kind: 'message among gateways',
  schema: AmongGatewaysSchema,
  toWire: (message: AmongGateways): MessageInitShape<typeof AmongGatewaysSchema> => {
    if ('person' in message)
      return { said: { case: 'question', value: { ...message, question: { ...message.question } } } };
    const { found, ...answer } = message;
    if ('removedGroups' in found) {
      const value = { groups: found.removedGroups, votes: found.removedVotes };
      return { said: { case: 'answer', value: { ...answer, found: { case: 'removed', value } } } };
    }
    const value = { groups: found.groups.map((group) => ({ ...group })), votes: [...found.votes] };
    return { said: { case: 'answer', value: { ...answer, found: { case: 'kept', value } } } };
  },
  fromWire: ({ said }): AmongGateways => {
    switch (said.case) {
      case 'question': {
        const { question, person } = said.value;
        requireField(person !== '', 'question.person', 'a name', '""');
        return { question: questionFromWire(question, 'question.question'), person };
      }
      case 'answer':
        return answerFromWire(said.value);
      default:
        throw new MessageFault('said', 'a question or an answer', 'neither');
    }
  },
});

function questionFromWire(wire: GatewayQuestionWire | undefined, path: string): GatewayQuestion {
  const { id, expiresAt } = requirePart(wire, path);
  requireField(id !== '', `${path}.id`, 'an id', '""');
  return { id, expiresAt: timeFromWire(expiresAt, `${path}.expires_at`) };
}

function answerFromWire({ answerTo, gateway, found }: PersonAnswerWire): PersonAnswer {
  requireField(answerTo !== '', 'answer.answer_to', 'the id of a question', '""');
  requireField(gateway !== '', 'answer.gateway', 'the name of a gateway', '""');
  switch (found.case) {
    case 'kept': {
      const groups = found.value.groups.map(({ record, votes }) => ({ record, votes }));
      return { answerTo, gateway, found: { groups, votes: [...found.value.votes] } };
    }
    case 'removed': {
      const { groups, votes } = found.value;
      return { answerTo, gateway, found: { removedGroups: groups, removedVotes: votes } };
    }
    default:
      throw new MessageFault('answer.found', 'kept or removed', 'neither');
  }
}
