/** @file The section `guards`: a threshold and an action for each guard of src/streams/guards/. */

import * as z from 'zod';
import { matching, number, oneOf, section } from '../../../fields.js';
import { ownFields, withOwnOptions } from '../../../own-entries.js';
import type { GuardSpec } from '../../guards/guard-spec.js';
import { GUARD_NAMES, GUARDS, type GuardName } from '../../guards/index.js';
import { GUARD_ACTIONS } from '../../messages/control-state.js';

function guard({ description, threshold, defaultAction }: GuardSpec) {
  return section({
    threshold: number({ from: '[0', to: 'Infinity)' })
      .default(threshold.default)
      .describe(threshold.description),
    action: oneOf(GUARD_ACTIONS)
      .default(defaultAction)
      .describe(
        'What to do when the figure rises above the threshold, once per rise: `warn` reports it, `lower-learning-rate` also halves the learning rate for the rest of the run, `stop` ends the run with its best policy. `off` disables the guard.',
      ),
  })
    .prefault({})
    .describe(description);
}

// `map` loses the types of the names.
const shape = Object.fromEntries(GUARD_NAMES.map((name) => [name, guard(GUARDS[name])])) as Record<
  GuardName,
  ReturnType<typeof guard>
> satisfies z.core.$ZodLooseShape;

const taken = [...GUARD_NAMES, 'promotion', 'canary'];
const ownName = matching(
  `a name of letters, digits and hyphens, a letter first, other than ${taken.join(', ')}`,
  new RegExp(`^(?!(${taken.join('|')})$)[a-zA-Z][a-zA-Z0-9-]*$`),
);

const own = z
  .record(
    ownName,
    withOwnOptions(
      section({
        ...ownFields,
        threshold: number({ from: '[0', to: 'Infinity)' })
          .optional()
          .describe('Largest figure without an alarm. Default: that of the module.'),
        action: oneOf(GUARD_ACTIONS)
          .optional()
          .describe('What to do when the figure rises above the threshold. Default: that of the module.'),
      }),
    ),
    { error: 'a mapping from names to guards' },
  )
  .optional()
  .describe('Your own guards by name, each exported by a JavaScript module.');

export const guards = section({ ...shape, own })
  .prefault({})
  .describe(
    'Alarms for the known failures of reinforcement learning. Whatever they do, the policy with the best evaluation is kept in best/ of the run directory.',
  );
