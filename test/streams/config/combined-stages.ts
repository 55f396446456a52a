import type { ResolvedConfig } from '../../../src/streams/config/schema/topology-schema.js';

const part = { weight: 1, missing: 'wait' } as const;

/** A combination of two parts, `fit` and `people`, and nothing else. */
export const COMBINED: ResolvedConfig['stages'] = {
  combine: { type: 'combine', by: 'sum', parts: { fit: part, people: part } },
};
