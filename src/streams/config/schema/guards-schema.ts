/** @file The section `guards`: a threshold and an action for each guard of src/streams/guards/. */

import type { z } from 'zod';
import { number, oneOf, section } from '../../../fields.js';
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

export const guards = section(shape)
  .prefault({})
  .describe(
    'Alarms for the known failures of reinforcement learning. Whatever they do, the policy with the best evaluation is kept in best/ of the run directory.',
  );
