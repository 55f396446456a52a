import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import type { Command } from 'commander';
import { Document, type Scalar, type YAMLMap } from 'yaml';
import { TributaryError } from '../../errors.js';
import { writeFileAtomic } from '../../models/files/atomic.js';
import { loadTopology } from '../../streams/config/load-topology.js';
import { stageOf } from '../../streams/config/resolved/stage-of.js';
import { type StageConfig, topologySchema } from '../../streams/config/schema/topology-schema.js';
import type { Path } from '../../streams/config/source/fault.js';
import { type NamedFile, namedFiles } from '../../streams/config/source/named-files.js';
import { withValueAt } from '../../streams/config/source/value-tree.js';
import { readPromptFile } from '../../streams/prompt-files/prompt-file.js';

const CONFIG = 'mine.yaml';
const PROMPTS = 'prompts.txt';

/** `tributary init`: writes a config to start from. */
export function addInitCommand(program: Command): void {
  program
    .command('init')
    .description(`write a small config, ${CONFIG}, and a prompt file for it`)
    .argument('[preset]', 'what it extends, such as tributary:shapes-ddpo', 'tributary:demo')
    .action(init);
}

async function init(word: string): Promise<void> {
  const preset = word.startsWith('tributary:') ? word : `tributary:${word}`;
  const config = await loadTopology(preset);
  const prompts = stageOf(config, 'prompts');
  for (const file of [CONFIG, PROMPTS]) {
    if (!existsSync(file)) continue;
    throw new TributaryError(
      'TRIB_USAGE',
      `${file}: expected no such file, got one. Move it away, or work elsewhere.`,
    );
  }
  const missing = namedFiles(topologySchema, config).filter(
    ({ name, leadsTo }) => leadsTo !== 'made' && !existsSync(name),
  );
  await writeFileAtomic(PROMPTS, await plainPrompts(prompts));
  await writeFileAtomic(CONFIG, configText(preset, prompts, missing));
  console.log(`${CONFIG}\n${PROMPTS}`);
  const next =
    missing.length > 0
      ? `tributary lint ${CONFIG}, which names the files to bring`
      : `tributary train ${CONFIG} --quick`;
  console.error(`go on with: npx ${next}`);
}

/** The prompts of a preset, one a line: what a file of one's own most easily looks like. Weights stay behind. */
async function plainPrompts({ train, comments = true }: StageConfig<'prompts'>): Promise<string> {
  const { prompts } = await readPromptFile(train, { comments, check: () => undefined });
  return prompts.map(({ prompt }) => `${prompt}\n`).join('');
}

/** The text of the config, each setting with what it is for. */
function configText(
  preset: string,
  { name, numRounds }: { readonly name: string; readonly numRounds: number },
  missing: readonly NamedFile[],
): string {
  const start = {
    version: 2,
    extends: preset,
    name: 'mine',
    seed: 1,
    stages: { [name]: { train: PROMPTS, numRounds } },
  };
  const document = new Document(
    missing.reduce<unknown>((value, file) => withValueAt(value, file.path, basename(file.name)), start),
  );
  const say = (path: Path, comment: string) => {
    const pairs = (document.getIn(path.slice(0, -1)) as YAMLMap<Scalar>).items;
    const pair = pairs.find(({ key }) => key.value === path.at(-1));
    if (pair) pair.key.commentBefore = ` ${comment}`;
  };
  document.commentBefore = ` \`npx tributary train ${CONFIG}\`, or with --quick two small rounds; \`npx tributary lint ${CONFIG}\` says what it amounts to.`;
  say(
    ['extends'],
    'What is not written here is as in this preset; `npx tributary presets` lists the others.',
  );
  say(['name'], 'The run is written to runs/<name>.');
  say(['seed'], 'The same seed and config give the same adapter, byte for byte.');
  say(
    ['stages', name, 'train'],
    "Relative to this file. These are the preset's prompts: write your own, one a line.",
  );
  say(
    ['stages', name, 'numRounds'],
    'Each round draws pictures, has them scored, and takes optimizer steps.',
  );
  for (const { path } of missing)
    say(
      path,
      'The package does not bring this: put it beside this file, or name yours (docs/models.md, docs/rewards.md).',
    );
  return document.toString({ lineWidth: 0 });
}
