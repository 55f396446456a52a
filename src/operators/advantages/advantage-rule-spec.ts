import type { z } from 'zod';
import type { AdvantageRule } from './advantage-rule.js';

/** An advantage rule as a config names it: everything that lint, docs and the JSON Schema say about it. */
export interface AdvantageRuleSpec<Name extends string, Fields extends z.core.$ZodLooseShape> {
  readonly rule: Name;
  /** What it does, and where it comes from. */
  readonly summary: string;
  /** Its settings, each with a description and a default. */
  readonly fields: Fields;
  /** Whether it compares the branches of a group, and so needs at least two. */
  readonly comparesBranches: boolean;
  /** Whether it gives every edge of a tree an advantage of its own, so that branches may fork inside the trained steps. */
  readonly creditsEdges: boolean;
  /** Samples that it selects from one group of so many branches, at most. */
  readonly selectable: (settings: z.output<z.ZodObject<Fields>>, numBranches: number) => number;
  readonly create: (settings: z.output<z.ZodObject<Fields>>) => AdvantageRule;
}

/** Keeps the literal types of a spec while it is checked. */
export function defineAdvantageRule<const Name extends string, Fields extends z.core.$ZodLooseShape>(
  spec: AdvantageRuleSpec<Name, Fields>,
): AdvantageRuleSpec<Name, Fields> {
  return spec;
}
