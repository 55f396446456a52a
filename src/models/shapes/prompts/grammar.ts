/**
 * @file The language of the `shapes` world: its words, what a prompt means, and how a meaning is written. parse-prompt.ts
 * reads text; prompt-lists.ts chooses the prompts to train on.
 */

export const SHAPES = ['circle', 'square', 'triangle'] as const;
export const COLORS = ['red', 'green', 'blue', 'yellow', 'purple'] as const;
export const RELATIONS = ['above', 'below', 'left of', 'right of'] as const;
export const COUNT_WORDS = ['one', 'two', 'three', 'four'] as const;
export const TEMPLATES = ['binding', 'counting', 'relation'] as const;

export type Shape = (typeof SHAPES)[number];
export type Color = (typeof COLORS)[number];
export type Relation = (typeof RELATIONS)[number];
export type Template = (typeof TEMPLATES)[number];

/** What an object looks like, wherever it lies. */
export interface ObjectKind {
  readonly color: Color;
  readonly shape: Shape;
}

/** "a red circle and a blue square": both, anywhere, and nothing else. */
interface BindingPrompt {
  readonly template: 'binding';
  readonly first: ObjectKind;
  readonly second: ObjectKind;
}

/** "three green triangles": that many of one kind, and nothing else. */
interface CountingPrompt {
  readonly template: 'counting';
  /** 1 to 4. */
  readonly count: number;
  readonly kind: ObjectKind;
}

/** "a red circle above a blue square": `first` lies in that direction of `second`, and nothing else is there. */
interface RelationPrompt {
  readonly template: 'relation';
  readonly first: ObjectKind;
  readonly relation: Relation;
  readonly second: ObjectKind;
}

/** The meaning of a prompt: the constraints that a picture has to meet. */
export type ParsedPrompt = BindingPrompt | CountingPrompt | RelationPrompt;

/** The relation seen from the other object: a above b = b below a. */
const INVERSE_RELATION: Readonly<Record<Relation, Relation>> = {
  above: 'below',
  below: 'above',
  'left of': 'right of',
  'right of': 'left of',
};

/** Every word that a prompt may hold, in the fixed order that numbers the tokens. */
export const WORDS: readonly string[] = [
  'a',
  'and',
  ...COUNT_WORDS,
  ...COLORS,
  ...SHAPES,
  ...SHAPES.map(pluralOf),
  ...new Set(RELATIONS.flatMap((relation) => relation.split(' '))),
];

/** Every color with every shape. */
const OBJECT_KINDS: readonly ObjectKind[] = COLORS.flatMap((color) =>
  SHAPES.map((shape) => ({ color, shape })),
);

export function pluralOf(shape: Shape): string {
  return `${shape}s`;
}

export function isSameKind(a: ObjectKind, b: ObjectKind): boolean {
  return a.color === b.color && a.shape === b.shape;
}

/** The objects that a picture of the prompt holds, in the prompt's order. */
export function wantedKinds(prompt: ParsedPrompt): readonly ObjectKind[] {
  return prompt.template === 'counting'
    ? Array.from({ length: prompt.count }, () => prompt.kind)
    : [prompt.first, prompt.second];
}

/** Writes a meaning as text; `parsePrompt` reads it back. */
export function formatPrompt(prompt: ParsedPrompt): string {
  switch (prompt.template) {
    case 'binding':
      return `${withArticle(prompt.first)} and ${withArticle(prompt.second)}`;
    case 'counting': {
      const { color, shape } = prompt.kind;
      return `${COUNT_WORDS[prompt.count - 1]} ${color} ${prompt.count === 1 ? shape : pluralOf(shape)}`;
    }
    case 'relation':
      return `${withArticle(prompt.first)} ${prompt.relation} ${withArticle(prompt.second)}`;
    default:
      return prompt satisfies never;
  }
}

/**
 * Names the set of pictures that satisfy a prompt: two prompts have the same name if and only if they mean the same
 * ("a above b" and "b below a"; "a and b" and "b and a"). It identifies unseen combinations, which the text does not.
 */
export function promptMeaning(prompt: ParsedPrompt): string {
  switch (prompt.template) {
    case 'binding':
      return [withArticle(prompt.first), withArticle(prompt.second)].sort().join(' and ');
    case 'counting':
      return formatPrompt(prompt);
    case 'relation': {
      const { first, relation, second } = prompt;
      return relation === 'above' || relation === 'left of'
        ? formatPrompt(prompt)
        : formatPrompt({ ...prompt, first: second, relation: INVERSE_RELATION[relation], second: first });
    }
    default:
      return prompt satisfies never;
  }
}

/** All meanings of a template, one entry for each text: two different objects, or one to four of a kind. */
export function enumeratePrompts(template: Template): ParsedPrompt[] {
  switch (template) {
    case 'binding':
      return orderedPairs().map(([first, second]) => ({ template, first, second }));
    case 'counting':
      return OBJECT_KINDS.flatMap((kind) =>
        COUNT_WORDS.map((_, index) => ({ template, count: index + 1, kind })),
      );
    case 'relation':
      return orderedPairs().flatMap(([first, second]) =>
        RELATIONS.map((relation) => ({ template, first, relation, second })),
      );
    default:
      return template satisfies never;
  }
}

function orderedPairs(): [ObjectKind, ObjectKind][] {
  return OBJECT_KINDS.flatMap((first) =>
    OBJECT_KINDS.filter((second) => !isSameKind(first, second)).map((second): [ObjectKind, ObjectKind] => [
      first,
      second,
    ]),
  );
}

function withArticle({ color, shape }: ObjectKind): string {
  return `a ${color} ${shape}`;
}
