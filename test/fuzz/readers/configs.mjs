/** @file What users write: topologies, studies, pretrainings and `--set`. */
import { readFileSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { loadPretraining } from '../../../dist/cli/input/load-pretraining.js';
import { lintTopology } from '../../../dist/streams/config/lint-topology.js';
import { lintStudy } from '../../../dist/streams/study/config/lint-study.js';
import { damagedYaml, yamlValue } from '../damage.mjs';

const folder = join(import.meta.dirname, '../../../config');
const names = (await readdir(folder)).filter((name) => name.endsWith('.yaml'));
const texts = new Map();
for (const name of names) texts.set(name, await readFile(join(folder, name)));
const topologies = [...texts].filter(([, text]) => /^(stages|extends):/m.test(text)).map(([, text]) => text);
const readText = (path) => readFileSync(path, 'utf8');
const demo = String(texts.get('shapes-ddpo.yaml'));

/** Paths of settings, damaged: parts left out, repeated, or in other places. */
const path = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        'stages',
        'trainer',
        'prompts',
        'sampler',
        'model',
        'lora',
        'rank',
        'guards',
        'evaluation',
      ),
      fc.constantFrom(
        '0',
        '[0]',
        '',
        '__proto__',
        'constructor',
        'seed',
        'rewards',
        'model.lora',
        '.',
        '=',
        ' ',
      ),
      fc.string({ maxLength: 6 }),
    ),
    { maxLength: 6 },
  )
  .map((parts) => parts.join('.'));
const override = fc.tuple(path, yamlValue).map(([key, value]) => Buffer.from(`${key}=${value}`));

/** Faults that are listed are answers; only what is thrown without a code is none. */
export const configs = [
  {
    name: 'topology YAML',
    isSlow: true,
    open: async () => ({
      files: damagedYaml(topologies),
      read: async (bytes) => lintTopology(bytes.toString('utf8'), join(folder, 'damaged.yaml'), { readText }),
    }),
  },
  {
    name: 'overrides',
    isSlow: true,
    open: async () => ({
      files: override,
      read: async (bytes) =>
        lintTopology(demo, join(folder, 'damaged.yaml'), { readText, overrides: [bytes.toString('utf8')] }),
    }),
  },
  {
    name: 'study YAML',
    isSlow: true,
    open: async () => ({
      files: damagedYaml([texts.get('study-shapes.yaml')]),
      read: async (bytes) => lintStudy(bytes.toString('utf8'), join(folder, 'damaged.yaml'), readText),
    }),
  },
  {
    name: 'pretraining YAML',
    isSlow: true,
    async open(temporary) {
      const file = join(temporary, 'pretraining.yaml');
      return {
        files: damagedYaml([texts.get('pretrain-shapes.yaml')]),
        async read(bytes) {
          await writeFile(file, bytes);
          await loadPretraining(file);
        },
      };
    },
  },
];
