import type { z } from 'zod';
import { matching, section } from '../../../fields.js';
import type { TopicName } from '../../messages/topics.js';

/** The name of a topic in a config. */
export const topicName = matching(
  'a topic name of letters, digits and hyphens, a letter first',
  /^[a-zA-Z][a-zA-Z0-9-]*$/,
);

/** The setting `role` of a stage. `byDefault` is a phrase. */
export const roleField = (byDefault: string) =>
  matching('a role of letters, digits and hyphens, a letter first', /^[a-zA-Z][a-zA-Z0-9-]*$/)
    .optional()
    .describe(
      `The role of the stage: a process runs the stages of the roles that \`tributary run --roles\` names. Default: ${byDefault}.`,
    );

/** The settings `reads` and `writes` of a stage: other topics for some of its ports. */
export function portsField<const Port extends TopicName>(
  side: 'read from' | 'written to',
  ports: readonly Port[],
) {
  const shape = Object.fromEntries(
    ports.map((port) => [port, topicName.optional().describe(`Default: \`${port}\`.`)]),
  ) as Record<Port, z.ZodOptional<typeof topicName>>;
  return section(shape)
    .optional()
    .describe(
      `Other topics that are ${side}, by port. A topic that no other stage names needs no declaration.`,
    );
}
