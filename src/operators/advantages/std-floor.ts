import { number } from '../../fields.js';

/** The setting `stdFloor` of a rule that divides by a standard deviation. */
export const stdFloorField = number({ from: '[0', to: 'Infinity)' })
  .default(0)
  .describe(
    'Smallest standard deviation to divide by, in units of the reward. 0 is faithful to the papers; a floor keeps rewards of few distinct values from exploding when a prompt has hardly any spread.',
  );
