import { type ResolvedConfig, topologySchema } from './schema/topology-schema.js';
import { type Issue, pathOf } from './source/schema-faults.js';
import { isMapping, valueAt, withValueAt } from './source/value-tree.js';

interface Repaired {
  readonly config: ResolvedConfig;
  /** Whether stages had to be left out. */
  readonly lacksStages: boolean;
}

/**
 * Makes a valid config from a faulty one, so that rules across fields can be checked in the same pass: faulty values
 * become their defaults, missing text a placeholder, and stages of no known type are removed. Nobody runs the result.
 * Returns undefined where that is not enough.
 */
export function repairConfig(written: unknown): Repaired | undefined {
  let value = written;
  let lacksStages = false;
  for (let round = 0; round < 4; round++) {
    const parsed = topologySchema.safeParse(value);
    if (parsed.success) return { config: parsed.data, lacksStages };
    for (const issue of parsed.error.issues) {
      const stage = pathOf(issue).slice(0, 2);
      if (isLostStage(issue, round)) {
        lacksStages = true;
        value = withValueAt(value, stage, undefined);
      } else value = withoutFault(value, issue, round);
    }
  }
  return undefined;
}

/** A stage without a known type or variant, or one that lacks what has no default and no placeholder. */
function isLostStage(issue: Issue, round: number): boolean {
  const [section, , ...inner] = pathOf(issue);
  if (section !== 'stages' || issue.path.length < 2) return false;
  if (inner.length === 0) return issue.code !== 'unrecognized_keys';
  const variantOfStage = issue.code === 'invalid_union' && inner.length === 1;
  return variantOfStage || (round > 0 && !isText(issue));
}

function withoutFault(value: unknown, issue: Issue, round: number): unknown {
  const path = pathOf(issue);
  if (issue.code === 'unrecognized_keys') {
    const known = Object.entries(valueAt(value, path) ?? {}).filter(([key]) => !issue.keys.includes(key));
    return withValueAt(value, path, Object.fromEntries(known));
  }
  if (path.length === 0) return isMapping(value) ? value : {};
  if (round > 0 && isText(issue)) return withValueAt(value, path, 'placeholder');
  if (round > 0) return withValueAt(value, path, {});
  // The settings of an unknown variant mean nothing.
  if (issue.code === 'invalid_union') return withValueAt(value, path.slice(0, -1), undefined);
  // Without one entry the others would move, so the whole list is replaced.
  const index = path.findIndex((part) => typeof part === 'number');
  return withValueAt(value, index < 0 ? path : path.slice(0, index), undefined);
}

function isText(issue: Issue): boolean {
  return issue.code === 'invalid_type' && issue.expected === 'string';
}
