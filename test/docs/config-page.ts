/** @file The page of every field of a config: what lint knows of them, in Markdown. */
import * as z from 'zod';
import { testedTopologySchema } from '../../src/streams/config/schema/topology-schema.js';
import { STAGE_SPECS } from '../../src/streams/stages/index.js';

type JsonSchema = z.core.JSONSchema.JSONSchema;

/** A field, or a word that chooses the fields below it. */
interface Item {
  readonly head: string;
  readonly description: string;
  readonly below: readonly Item[];
}

const WIDTH = 120;
/** A longer description is written out once. */
const SHORT = 60;
const INTRODUCTION = `# Every field of a config

\`npm run schema\` generates this page from the schema that \`tributary lint\` checks; edit descriptions there. A config
needs only the required fields and what differs from the defaults. \`tributary lint --json\` prints a config with every
default filled in.

With \`extends: PATH\` a config extends another one. Mappings are merged, unless they differ in \`type\`, \`rule\`, \`mode\`
or \`from\`; anything else is replaced. \`--set stages.sampler.eta=0.5\` overrides everything.

Paths are relative to the file that holds them; with \`--set\`, and in defaults, to the working directory. What the
package brings has a name: \`extends: tributary:shapes-b2-branch\` (\`tributary presets\` lists them),
\`pipeline: tributary:shapes\`, \`train: tributary:shapes/prompts/train.txt\`, \`train: tributary:prompts/dpok-held-out.txt\`.
`;

/** Returns docs/config.md: Markdown text that ends with a line break. */
export function configPage(): string {
  const schema = z.toJSONSchema(testedTopologySchema, { io: 'input' });
  const sections = Object.entries(fieldsOf(schema)).filter(([, field]) => field.properties);
  const others = itemsOf(schema)
    .map((item) => (item.head.startsWith('`stages`') ? { ...item, below: [] } : item))
    .filter(({ head }) => !sections.some(([name]) => head.startsWith(`\`${name}\``)));
  const seen = new Set<string>();
  const lines = [
    '## At the top',
    '',
    ...others.flatMap((item) => linesOf(item, seen)),
    ...sections.flatMap(([name, field]) =>
      chapter(`\`${name}\``, field.description ?? '', itemsOf(field), seen),
    ),
    ...STAGE_SPECS.flatMap(({ name, summary, consequences: { ordering, delivery, memory } }) =>
      chapter(
        `Stages of type \`${name}\``,
        `${summary} Ordering: ${ordering} Delivery: ${delivery} Memory: ${memory}`,
        stageItems(schema, name),
        seen,
      ),
    ),
  ];
  return `${INTRODUCTION}\n${lines.join('\n')}\n`;
}

function chapter(title: string, about: string, items: readonly Item[], seen: Set<string>): string[] {
  return ['', `## ${title}`, '', ...wrap(about, ''), '', ...items.flatMap((item) => linesOf(item, seen))];
}

function stageItems(schema: JsonSchema, type: string): Item[] {
  const stages = variantsOf(fieldsOf(schema).stages?.additionalProperties).flatMap((stage) =>
    variantsOf(stage).length > 0 ? variantsOf(stage) : [stage],
  );
  return alternatives(stages.filter((stage) => fieldsOf(stage).type?.const === type));
}

/** The fields of a mapping, but for words that leave no choice. */
function itemsOf(mapping: JsonSchema): Item[] {
  return Object.entries(fieldsOf(mapping))
    .filter(([name, { const: word }]) => word === undefined || name === 'version')
    .map(([name, field]) => {
      const isRequired = mapping.required?.includes(name) === true;
      const facts = [kindOf(field), isRequired ? 'required' : defaultOf(field)].filter(Boolean).join('; ');
      const inner = field.items as JsonSchema | undefined;
      const values = field.additionalProperties;
      const ofValues = typeof values === 'object' && values.properties ? [values] : variantsOf(values);
      const below = [...variantsOf(field), ...ofValues];
      return {
        head: `\`${name}\`${facts === '' ? '' : ` (${facts})`}`,
        description: field.description ?? '',
        below: below.length > 0 ? alternatives(below) : itemsOf(inner || entryOf(field) || field),
      };
    });
}

/** The mapping that each entry of a record is. */
function entryOf({ additionalProperties: entry }: JsonSchema): JsonSchema | undefined {
  return typeof entry === 'object' && entry.properties ? entry : undefined;
}

/** What all variants of a mapping share, then each by its word, with what is its own. */
function alternatives(variants: readonly JsonSchema[]): Item[] {
  const [first = {}, ...others] = variants;
  if (others.length === 0) return itemsOf(first);
  const isShared = (item: Item) =>
    others.every((variant) => itemsOf(variant).some((one) => JSON.stringify(one) === JSON.stringify(item)));
  const shared = itemsOf(first).filter(isShared);
  const words = variants.flatMap((variant): Item[] => {
    const chosen = Object.entries(fieldsOf(variant)).findLast(([, field]) => field.const !== undefined);
    if (!chosen) return [];
    const [key, word] = chosen;
    const isOwn = ({ head }: Item) => !shared.some((one) => one.head === head);
    const head = `\`${key}: ${String(word.const)}\`${word.default === undefined ? '' : ' (default)'}`;
    return [{ head, description: word.description ?? '', below: itemsOf(variant).filter(isOwn) }];
  });
  return [...shared, ...words];
}

/** What may be written, as a fault would say it. */
function kindOf(field: JsonSchema): string {
  const { minimum, exclusiveMinimum, maximum, exclusiveMaximum } = field;
  if (field.const !== undefined) return `\`${String(field.const)}\``;
  if (field.enum) return field.enum.map((word) => `\`${String(word)}\``).join(', ');
  if (field.prefixItems) return `a list of ${field.prefixItems.length}`;
  if (field.type === 'array') return `a list of ${kindOf(field.items as JsonSchema) || 'mappings'}`;
  if (field.type === 'string') return 'text';
  if (field.type === 'boolean') return '`true`, `false`';
  if (field.type === 'integer') {
    const hasMost = maximum !== undefined && maximum !== Number.MAX_SAFE_INTEGER;
    return hasMost ? `an integer from ${minimum} to ${maximum}` : `an integer >= ${minimum}`;
  }
  if (field.type !== 'number') return '';
  const from = minimum === undefined ? `(${exclusiveMinimum ?? '-Infinity'}` : `[${minimum}`;
  const to = maximum === undefined ? `${exclusiveMaximum ?? 'Infinity'})` : `${maximum}]`;
  return `a number in ${from}, ${to}`;
}

function defaultOf({ default: value, properties }: JsonSchema): string {
  if (value === undefined) return properties ? '' : 'optional';
  if (Array.isArray(value)) return `default \`[${value.map(shown).join(', ')}]\``;
  const words = shown(value);
  return words === '' ? '' : `default \`${words}\``;
}

/** A value as YAML has it, on one line and without the outer braces. */
function shown(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  return Object.entries(value)
    .map(([key, word]) => `${key}: ${String(word)}`)
    .join(', ');
}

const fieldsOf = ({ properties = {} }: JsonSchema) => properties as Record<string, JsonSchema>;

function variantsOf(schema: z.core.JSONSchema._JSONSchema | undefined): JsonSchema[] {
  return typeof schema === 'object' ? ((schema.oneOf ?? []) as JsonSchema[]) : [];
}

/** An item of a list with those below it. What is described at length is described once. */
function linesOf({ head, description, below }: Item, seen: Set<string>, depth = 0): string[] {
  const isSeen = description.length > SHORT && seen.has(description);
  seen.add(description);
  const shown = isSeen ? below.filter((one) => !seen.has(one.description)) : below;
  const [first = '', ...rest] = wrap(
    `${head}. ${isSeen ? 'As above.' : description}`,
    '  '.repeat(depth + 1),
  );
  return [
    `${'  '.repeat(depth)}- ${first.trimStart()}`,
    ...rest,
    ...shown.flatMap((one) => linesOf(one, seen, depth + 1)),
  ];
}

/** Breaks text into lines of at most 120 columns, each with the indent. */
function wrap(text: string, indent: string): string[] {
  const lines: string[] = [];
  let line = '';
  // Angle brackets outside code would be taken for HTML.
  for (const word of text.replace(/<(?=[a-z][^`]*(?:`[^`]*`[^`]*)*$)/g, '\\<').split(' ')) {
    if (line !== '' && indent.length + line.length + 1 + word.length > WIDTH) {
      lines.push(indent + line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, indent + line];
}
