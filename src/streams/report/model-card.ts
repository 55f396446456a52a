/** @file README.md of an adapter on the hub: what it is, how it was trained, and what that did. */

import { basename } from 'node:path';
import { stringify } from 'yaml';
import { rewardParts, trainedStages } from '../config/resolved/reward-parts.js';
import { stageOf } from '../config/resolved/stage-of.js';
import { type ResolvedConfig, topologySchema } from '../config/schema/topology-schema.js';
import { mapFiles } from '../config/source/named-files.js';
import type { Evaluation, RoundMetrics } from '../messages/run-events.js';

export interface CardContent {
  /** `owner/name` on the hub. */
  readonly id: string;
  readonly config: ResolvedConfig;
  readonly evaluations: readonly Evaluation[];
  readonly rounds: readonly RoundMetrics[];
  /** The base model on the hub; null where nobody says. */
  readonly base: string | null;
  /** Identifier of a license; null where nobody says. */
  readonly license: string | null;
  /** Whether there are pictures before and after, and the prompts of their rows. */
  readonly pictures: {
    readonly before: string;
    readonly after: string;
    readonly prompts: readonly string[];
  } | null;
}

/** Fields that say where a service is, which is nobody's affair. */
const PLACES = ['url', 'http', 'role'];

/** Returns the card, in Markdown with metadata in front, as the hub reads it. */
export function modelCard({ id, config, evaluations, rounds, base, license, pictures }: CardContent): string {
  const trainer = stageOf(config, 'trainer');
  const { rule } = stageOf(config, 'advantages');
  const { numRounds } = stageOf(config, 'prompts');
  const metadata = {
    ...(base !== null && { base_model: base, base_model_relation: 'adapter' }),
    library_name: 'diffusers',
    // The hub's word for a license that the card itself does not name.
    license: license ?? 'unknown',
    pipeline_tag: 'text-to-image',
    tags: ['lora', 'text-to-image', 'diffusers', 'reinforcement-learning', trainer.surrogate.type],
  };
  const model = base ?? basename(config.model.pipeline);
  const parts = rewardParts(config).map(({ name }) => name);
  const rewards = parts.length > 0 ? parts : trainedStages(config).map(({ from }) => from);
  const trained = rounds.length < numRounds ? `${rounds.length} of ${numRounds}` : `${numRounds}`;
  const sections = [
    `---\n${stringify(metadata)}---`,
    `# ${basename(id)}`,
    `A LoRA adapter of ${model}, fine-tuned with reinforcement learning by Tributary: surrogate \`${trainer.surrogate.type}\`, advantages \`${rule}\`, reward ${rewards.map((name) => `\`${name}\``).join(', ')}, ${trained} rounds.`,
    license === null
      ? 'Nobody said under which license it is. That of the base model applies to what is made with it.'
      : null,
    usage(id, base ?? '<the base model>'),
    curve(evaluations),
    pictures &&
      `## Before and after\n\nFrom the same noise, a row for each prompt: ${pictures.prompts.map((prompt) => `"${prompt}"`).join('; ')}.\n\n![before](${pictures.before})\n\n![after](${pictures.after})`,
    `## Settings\n\n\`\`\`yaml\n${settings(config)}\`\`\``,
  ];
  return `${sections.filter((section) => section !== null).join('\n\n')}\n`;
}

const usage = (id: string, model: string) => `## Use

\`\`\`python
from diffusers import AutoPipelineForText2Image

pipe = AutoPipelineForText2Image.from_pretrained("${model}")
pipe.load_lora_weights("${id}")
image = pipe("...").images[0]
\`\`\``;

/** The evaluations as a table, on prompts that are trained on, and on those that are not. */
function curve(evaluations: readonly Evaluation[]): string {
  const rows = evaluations.map(
    ({ round, train, heldOut }) =>
      `| ${round} | ${train.rewardMean.toPrecision(4)} | ${heldOut.rewardMean.toPrecision(4)} |`,
  );
  const head = ['| round | reward, training prompts | reward, held-out prompts |', '| --- | --- | --- |'];
  return ['## Reward\n', ...head, ...rows].join('\n');
}

/** What pictures and training depend on, without where files and services are. */
function settings(config: ResolvedConfig): string {
  const { seed, model, stages, evaluation } = mapFiles(topologySchema, config, (file) => basename(file));
  const shown = (key: string, value: unknown) => (PLACES.includes(key) ? undefined : value);
  return stringify(JSON.parse(JSON.stringify({ seed, model, stages, evaluation }, shown)));
}
