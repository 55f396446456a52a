/** @file What lies in a run directory and in a study's folder, and may have been damaged or edited there. */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { encodePng } from '../../../dist/models/images/picture.js';
import { pngDamage } from '../../../dist/models/images/png-damage.js';
import { loadTopology } from '../../../dist/streams/config/load-topology.js';
import { readBest } from '../../../dist/streams/directory/best-policy.js';
import { readCheckpointFiles } from '../../../dist/streams/directory/checkpoint-files.js';
import { readNewestCheckpoint, writeCheckpoint } from '../../../dist/streams/directory/checkpoint-folder.js';
import { readMetrics, rewriteMetrics } from '../../../dist/streams/directory/metrics-log.js';
import { openRunDirectory } from '../../../dist/streams/directory/run-directory.js';
import { lockRun } from '../../../dist/streams/directory/run-lock.js';
import { renderReport } from '../../../dist/streams/report/render-report.js';
import { readReport } from '../../../dist/streams/report/write-report.js';
import { figuresOfRun } from '../../../dist/streams/study/results/run-result.js';
import { readResults } from '../../../dist/streams/study/results-file.js';
import { damagedBytes, damagedJson, damagedJsonLines, damagedYaml } from '../damage.mjs';
import { evaluation, metrics, results, state } from './run-files.mjs';

const config = await loadTopology(join(import.meta.dirname, '../../../config/shapes-ddpo.yaml'));
const adapter = new Uint8Array(8);
const ignore = () => {};

/** A reader of one file below a folder of its own; `prepare` may write others. */
const ofFile = ({ name, file, files, read, prepare = async () => {} }) => ({
  name,
  async open(folder) {
    const run = join(folder, 'run');
    await mkdir(join(run, 'best'), { recursive: true });
    await prepare(run);
    return {
      files,
      async read(bytes) {
        await writeFile(join(run, file), bytes);
        await read(run);
      },
    };
  },
});

const json = (value) => JSON.stringify(value);
const manifestOf = async (folder) => {
  await writeCheckpoint(
    folder,
    { completeRounds: 2, fingerprint: 'f', files: { 'state.json': json(state) } },
    1,
  );
  return readFile(join(folder, '2/manifest.json'));
};

export const runs = [
  {
    name: 'PNG of samples',
    open: async () => ({
      files: damagedBytes([encodePng({ width: 8, height: 8, data: new Uint8Array(192).fill(7) })]),
      read: (bytes) => pngDamage(bytes),
    }),
  },
  {
    name: 'state.json',
    open: async () => ({
      files: damagedJson([json(state)]),
      read: async (bytes) =>
        readCheckpointFiles(
          {
            path: 'checkpoint',
            completeRounds: 2,
            files: new Map([
              ['pytorch_lora_weights.safetensors', adapter],
              ['optimizer.safetensors', adapter],
              ['state.json', bytes],
            ]),
          },
          'history',
        ),
    }),
  },
  {
    name: 'manifest.json',
    async open(folder) {
      const path = join(folder, 'checkpoints');
      const whole = await manifestOf(path);
      return {
        files: damagedJson([whole]),
        async read(bytes) {
          await writeFile(join(path, '2/manifest.json'), bytes);
          await readNewestCheckpoint(path, 'f', ignore);
        },
      };
    },
  },
  ofFile({
    name: 'best/evaluation.json',
    file: 'best/evaluation.json',
    files: damagedJson([json(evaluation(2))]),
    prepare: (run) => writeFile(join(run, 'best/pytorch_lora_weights.safetensors'), adapter),
    read: readBest,
  }),
  ofFile({
    name: 'metrics.jsonl',
    file: 'metrics.jsonl',
    files: damagedJsonLines([metrics.map(json).join('\n')]),
    async read(run) {
      const { lines } = await readMetrics(run);
      figuresOfRun(lines, 2);
      renderReport(await readReport(run, config));
      await rewriteMetrics(run, lines, new Date(0));
    },
  }),
  ofFile({
    name: 'run.lock',
    file: 'run.lock',
    files: damagedJson([json({ pid: 1, host: 'other', since: '2026-01-01T00:00:00.000Z' })]),
    async read(run) {
      const { release } = await lockRun(run, new Date(0));
      await release();
    },
  }),
  {
    ...ofFile({
      name: 'config.yaml of a run',
      file: 'config.yaml',
      files: damagedYaml([stringify(config)]),
      async read(path) {
        const directory = await openRunDirectory({ config, path, resume: true, warn: ignore });
        await directory.release();
        await rm(join(path, 'run.lock'), { force: true });
      },
    }),
    isSlow: true,
  },
  ofFile({
    name: 'results.json',
    file: 'results.json',
    files: damagedJson([json(results)]),
    read: (run) => readResults(join(run, 'results.json'), { name: 'shapes' }),
  }),
];
