/**
 * @file Runs a preset for two rounds in seconds. Departures from the preset: four groups a round, updates and evaluations
 * of a few pictures, one thread. Presets for Stable Diffusion 1.5 run on the tiny pipeline of the tests, of random
 * weights, for 4 steps; the size of the picture as JPEG is their reward, as their reward models are not part of this
 * repository. v and flow are those of models/shapes. Kafka's parts are processes of their own, as its preset says, but
 * synchronous (`runAhead` of one round, `maxStaleness: 0`): else the bytes depend on which part is faster.
 */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { HERE } from './checkout.mjs';

const GROUPS = 4;
const MAIN = 'dist/cli/main.js';

/** Makes the models that the repository does not hold, once for both commits. */
export async function makeModels({ folder, words }, work) {
  const models = {
    sd15: join(work, 'models/sd15'),
    v: join(work, 'models/v'),
    flow: join(work, 'models/flow'),
  };
  await mkdir(join(work, 'models'), { recursive: true });
  await cp(join(folder, 'test/fixtures/stable-diffusion/sd1'), models.sd15, { recursive: true });
  for (const [as, out] of [
    ['v_prediction', models.v],
    ['flow', models.flow],
  ])
    if (!existsSync(out))
      execFileSync('node', [MAIN, words.reparameterize, 'models/shapes', '--as', as, '--out', out], {
        cwd: folder,
      });
  return models;
}

const under = (path, settings) =>
  Object.entries(settings).map(([key, value]) => `${path}.${key}=${JSON.stringify(value)}`);

/** Overrides that shorten a preset, in the words of the checkout. */
export function settingsOf({ words }, preset, models) {
  const name = basename(preset, '.yaml');
  const isSd15 = name.startsWith('sd15-');
  const prompts = { [words.numRounds]: 2, [words.groupsPerRound]: GROUPS, runAhead: GROUPS };
  return [
    ...under('engine', { threads: 1 }),
    ...under('stages.prompts', prompts),
    ...under('stages.sampler', { groupsPerBatch: 2 }),
    ...under('stages.trainer', { minibatchSize: 4, ...updatesOf(name, words) }),
    ...under('evaluation', { trainPrompts: 1, heldOutPrompts: 1, imagesPerPrompt: 2 }),
    ...(isSd15 ? sd15Settings(name, words, models) : shapesSettings(name, words, models)),
  ];
}

/** Updates small enough for a round: of two samples, but where the rule asks for others. */
function updatesOf(name, words) {
  // One step for all samples of a round: 4 groups of one rollout, or of its two extreme branches.
  if (name === 'ddpo-sf') return { 'updates.samplesPerUpdate': GROUPS };
  if (name === 'b2-ddpo-sf') return { 'updates.samplesPerUpdate': 2 * GROUPS };
  if (!/^(sd15-)?dpok/.test(name)) return { 'updates.samplesPerUpdate': 2 };
  const draws = { capacity: 24, [words.updatesPerRound]: 2, transitionsPerUpdate: 8 };
  return Object.fromEntries(Object.entries(draws).map(([key, value]) => [`updates.${key}`, value]));
}

function shapesSettings(name, words, { v, flow }) {
  const pipeline = name.startsWith('flow-') ? flow : name === 'b2-v-prediction' ? v : null;
  return [
    ...(pipeline ? under('model', { pipeline }) : []),
    // An entry for each round at most, and not of the last steps alone, in which four groups hardly part.
    ...(name === 'iadd' ? under('stages.schedule', { [words.sparseSteps]: [3, 5] }) : []),
    ...(name === 'kafka' ? under('stages.trainer', { maxStaleness: 0 }) : []),
  ];
}

function sd15Settings(name, words, { sd15 }) {
  const hasBranches = name.startsWith('sd15-b2-');
  const reward = { type: words.rewardType, from: 'jpeg-incompressibility' };
  return [
    ...under('model', { pipeline: sd15 }),
    ...under('engine', { providers: ['cpu'] }),
    ...under('stages.schedule', hasBranches ? { first: 3, last: 4 } : { steps: 4 }),
    ...under('stages.sampler', { numInferenceSteps: 4, ...(hasBranches && { numBranches: 3 }) }),
    ...(name === 'sd15-ddpo-compressibility'
      ? // Some names of ImageNet are too long for the tiny tokenizer, which knows few words.
        under('stages.prompts', { train: 'config/prompts/ddpo-simple-animals-train.txt' })
      : under('stages', { [words.reward]: reward })),
  ];
}

/** Trains a preset with these settings into a run folder. Rejects with the program's last words if it fails. */
export async function trainShortly({ checkout, preset, settings, runFolder, work }) {
  const overrides = settings.flatMap((setting) => ['--set', setting]);
  const trainerWords = ['--run-dir', runFolder];
  if (basename(preset) !== 'kafka.yaml')
    return start(checkout, ['train', preset, ...trainerWords, ...overrides]).ended;
  await withBroker(work, async (broker) => {
    const topics = {
      brokers: [broker],
      prefix: `compare-${Date.now()}`,
      'payloads.folder': `${runFolder}-payloads`,
    };
    const words = [
      ...overrides,
      ...under('transport.kafka', topics).flatMap((setting) => ['--set', setting]),
    ];
    const parts = ['trainer', 'prompts', 'sampler', 'reward'].map((role) =>
      start(checkout, [
        ...['run', preset, checkout.words.roles, role, ...words],
        ...(role === 'trainer' ? trainerWords : []),
      ]),
    );
    try {
      await Promise.all(parts.map(({ ended }) => ended));
    } finally {
      for (const { child } of parts) child.kill('SIGKILL');
      await Promise.allSettled(parts.map(({ ended }) => ended));
    }
  });
}

/** Starts the program of a checkout. */
function start({ folder }, words) {
  const child = spawn('node', [MAIN, ...words], { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  child.stderr.on('data', (chunk) => {
    log += chunk;
  });
  const ended = new Promise((done, fail) => {
    child.on('error', fail);
    child.on('close', (code) => {
      if (code === 0) done();
      else fail(new Error(`exit ${code}: ${log.trim().split('\n').slice(-3).join(' | ')}`));
    });
  });
  return { child, ended };
}

/** Calls `use` with the address of a broker that is there for that long. */
async function withBroker(work, use) {
  const kafka = (command) =>
    execFileSync('node', ['tools/kafka/kafka.mjs', command, '--folder', join(work, 'kafka')], { cwd: HERE });
  const broker = kafka('up').toString().trim();
  try {
    return await use(broker);
  } finally {
    kafka('down');
  }
}
