import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SMALLEST } from '../streams/config/valid-config.js';
import { callCli } from './call-cli.js';
import { runCli } from './run-cli.js';

let folder = '';
let config = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cli-'));
  config = join(folder, 'tiny.yaml');
  await writeFile(config, NAMED);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const NAMED = SMALLEST.replaceAll('models/shapes', 'tributary:shapes')
  .replace('train.txt', 'tributary:shapes/prompts/train.txt')
  .replace('held-out.txt', 'tributary:shapes/prompts/held-out.txt');

describe('tributary', () => {
  test('should say its version', async () => {
    const { version } = JSON.parse(await readFile('package.json', 'utf8')) as { version: string };
    expect(await runCli(['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
  });

  test('should take a wrong command line for a fault of usage', async () => {
    const none = await callCli([]);
    const unknown = await runCli(['trian']);
    const missing = await callCli(['sample', '--images', '0', '--prompt', 'x', '--out', 'y']);
    const quick = await callCli(['train', config, '--quick', '--resume']);
    expect(quick).toMatchObject({
      code: 2,
      stderr: "error: option '--quick' cannot be used with option '--resume'\n",
    });
    expect(none).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('Usage: tributary') });
    expect(unknown).toMatchObject({
      code: 2,
      stderr: "error: unknown command 'trian'\n(Did you mean train?)\n",
    });
    expect(missing).toMatchObject({
      code: 2,
      stderr:
        "error: option '--images <n>' argument '0' is invalid. Expected a whole number from 1 to 1000.\n",
    });
  });

  test('should say where a config is missing', async () => {
    const { code, stdout, stderr } = await callCli(['train', 'nowhere.yaml']);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toBe(
      'error: config nowhere.yaml: expected a file that can be read, got ENOENT. Name a YAML file, or a preset such as tributary:demo.\n',
    );
  });

  test('should end with status 1 and one message where a model is missing, without a stack trace', async () => {
    const out = join(folder, 'x.png');
    const { code, stderr } = await callCli([
      'sample',
      '--pipeline',
      folder,
      '--prompt',
      'a red circle',
      '--out',
      out,
    ]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error: .*model_index\.json.*: expected .*, got .*\. .*\.\n$/);
    expect(await readdir(folder)).not.toContain('x.png');
  });

  test('should ask for a prompt where none is given, or an empty one', async () => {
    const out = join(folder, 'x.png');
    const none = await callCli(['sample', '--out', out]);
    const empty = await callCli(['sample', '--prompt', ' ', '--out', out]);
    expect(none).toMatchObject({
      code: 2,
      stderr: "error: required option '--prompt <text>' not specified\n",
    });
    expect(empty).toMatchObject({
      code: 2,
      stderr:
        'error: --prompt: expected words, got an empty text. Write one such as "a red circle and a blue square".\n',
    });
  });

  test('should name a word that the model does not know', async () => {
    const { code, stderr } = await callCli([
      'sample',
      '--prompt',
      'a red dragon',
      '--out',
      join(folder, 'x.png'),
    ]);
    expect(code).toBe(2);
    expect(stderr).toBe(
      'error: prompt "a red dragon" word 3: expected a word of the model\'s vocabulary, got "dragon". It knows a, and, one, two, three, four, red, green, blue, yellow, purple, circle, square, triangle, circles, squares, triangles, above, below, left, of, right.\n',
    );
  });
});

describe('tributary lint', () => {
  test('should print derived quantities and find no fault', async () => {
    const { code, stdout, stderr } = await callCli(['lint', config]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: `${config}: no faults\n` });
    expect(stdout).toMatch(/^images a round\s+128 \(32 groups x 4 branches\)$/m);
  });

  test('should print how long a run is that is resumed with more rounds, and over how many it is planned', async () => {
    const runPath = join(folder, 'begun');
    const { stdout: begun } = await callCli(['lint', config, '--json']);
    await mkdir(runPath);
    await writeFile(join(runPath, 'config.yaml'), JSON.stringify(JSON.parse(begun).config));
    const args = ['lint', config, '--resume', '--run-dir', runPath];
    const { code, stdout } = await callCli([...args, '--set', 'stages.prompts.numRounds=48']);
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^schedules +spread over 24 of the 48 rounds; the later ones keep their last values$/m,
    );
    expect(stdout).toMatch(/^reward queries +6,144 in 48 rounds$/m);
    const { code: wrong, stderr } = await callCli([...args, '--set', 'seed=8']);
    expect([wrong, stderr]).toEqual([
      1,
      `error: run directory ${runPath} seed: expected 7 as when the run began, got 8. Restore it, or start anew with another --run-dir; \`model.startFrom\` takes along what a checkpoint of this run has learned.\n`,
    ]);
  });

  test('should warn of more threads than cores', async () => {
    const { code, stderr } = await callCli(['lint', config, '--set', 'engine.threads=1000']);
    expect(code).toBe(0);
    expect(stderr).toMatch(
      /^warning: engine\.threads: expected at most the \d+ cores of this machine, got 1000\. .*\n.*: no faults\n$/,
    );
  });

  test('should count the prompts that the verifier cannot read, and refuse none', async () => {
    const train = join(folder, 'free.txt');
    await writeFile(train, 'one red circle\na red circle\nred red red\n');
    const held = 'models/shapes/prompts/held-out.txt';
    const prompts = [`stages.prompts.train=${train}`, `stages.prompts.heldOut=${held}`];
    const set = (...settings: string[]) => settings.flatMap((setting) => ['--set', setting]);
    const { code, stdout } = await callCli([
      'lint',
      config,
      ...set(...prompts, 'evaluation.verifier=shapes'),
    ]);
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^not verified +2 training and 0 held-out prompts, which the verifier shapes cannot read$/m,
    );
    expect((await callCli(['lint', config, ...set(...prompts)])).stdout).not.toContain('not verified');
  });

  test('should say how many prompts the files hold, and refuse one that is damaged', async () => {
    const train = join(folder, 'train.jsonl');
    const set = ['--set', `stages.prompts.train=${train}`];
    set.push('--set', 'stages.prompts.heldOut=models/shapes/prompts/held-out.txt');
    await writeFile(train, '{"prompt": "a", "weight": 0}\n\n"red"\n"red"');
    const { stdout } = await callCli(['lint', config, ...set]);
    expect(stdout).toContain(
      `training prompts         2 from ${train} (left out: 1 empty line, 1 prompt of weight 0; 1 repeated prompt)\n`,
    );
    await writeFile(train, '{"prompt": "a"}\n{"prompt": "b"');
    const { code, stderr } = await callCli(['lint', config, ...set]);
    expect([code, stderr]).toEqual([
      2,
      expect.stringContaining(`expected what can be read, got "${train}:2: expected JSON, got the end`),
    ]);
  });

  test('should print all faults, a line each', async () => {
    const { code, stdout, stderr } = await callCli(['lint', config, '--set', 'seed=x', '--set', 'enigne=1']);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr.split('\n')).toEqual([
      'error: --set seed=x seed: expected an integer from 0 to 4294967295, got "x" (string). Change the value.',
      expect.stringMatching(
        /^error: --set enigne=1 enigne the key: expected one of .*, got "enigne". Did you mean "engine"\?$/,
      ),
      '',
    ]);
  });

  test('should print faults as JSON, and the same status', async () => {
    const { code, stdout } = await callCli(['lint', config, '--json', '--set', 'seed=x']);
    expect(code).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({ faults: [{ kind: 'bad-value', path: ['seed'] }] });
  });
});

describe('tributary graph', () => {
  test('should print a flowchart and nothing else', async () => {
    const { code, stdout, stderr } = await callCli(['graph', config]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^flowchart LR\n/);
  });

  test('should draw what a run is given while it goes on', async () => {
    const { stdout } = await callCli(['graph', 'config/kafka.yaml']);
    expect(stdout).toContain('  operators -. "control" .-> stage_schedule\n');
  });
});

describe('tributary train', () => {
  test('should refuse a run directory that holds a run, before anything is loaded', async () => {
    const run = join(folder, 'run');
    await mkdir(run);
    await writeFile(join(run, 'config.yaml'), '');
    await mkdir(join(run, 'checkpoints'));
    const { code, stdout, stderr } = await callCli(['train', config, '--run-dir', run]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toBe(
      `error: run directory ${run}: expected a new run, got one that exists. Continue it with --resume, or choose another with --run-dir.\n`,
    );
  });

  test('should say where the model is missing', async () => {
    const run = join(folder, 'broken');
    const { code, stderr } = await runCli(
      ['train', config, '--run-dir', run, '--set', 'model.pipeline=nowhere'],
      { cwd: folder },
    );
    expect(code).toBe(1);
    expect(stderr.split('\n').filter((line) => line.startsWith('error: '))).toEqual([
      expect.stringMatching(/^error: nowhere: expected .*, got .*\. .*/),
    ]);
    expect(stderr).not.toContain('    at ');
  });
});

describe('tributary evaluate', () => {
  test('should say what a run lacks that never ended', async () => {
    const run = join(folder, 'half');
    await mkdir(run);
    await writeFile(join(run, 'config.yaml'), SMALLEST);
    const { code, stderr } = await callCli(['evaluate', run]);
    expect(code).toBe(1);
    expect(stderr).toBe(
      `error: ${join(run, 'pytorch_lora_weights.safetensors')}: expected the adapter of a run that ended or was stopped, got no such file. Resume the run, or name the adapter of one of its checkpoints.\n`,
    );
  });
});

describe('tributary pretrain', () => {
  test('should refuse to write over an earlier training', async () => {
    const settings = await readFile('config/pretrain-shapes.yaml', 'utf8');
    await writeFile(join(folder, 'again.yaml'), settings);
    await mkdir(join(folder, 'runs', 'again'), { recursive: true });
    await writeFile(join(folder, 'runs', 'again', 'reward.safetensors'), '');
    const { code, stderr } = await callCli(['pretrain', 'again.yaml', '--part', 'reward'], { cwd: folder });
    expect(code).toBe(2);
    expect(stderr).toBe(
      'error: runs/again/reward.safetensors: expected no earlier training, got a checkpoint. Continue it with --resume, or remove it.\n',
    );
  });
});

describe('tributary doctor', () => {
  test('should say which providers and backends work', async () => {
    const { code, stdout } = await runCli(['doctor', '--json']);
    expect(code).toBe(0);
    const { node, providers, backends, packages } = JSON.parse(stdout) as {
      node: string;
      providers: { provider: string; problem: string | null; halfProblem: string | null }[];
      backends: { provider: string; problem: string | null }[];
      packages: Record<string, string | null>;
    };
    expect(node).toBe(process.versions.node);
    expect(providers.map(({ provider }) => provider)).toEqual(['cpu', 'webgpu', 'cuda']);
    expect(providers[0]).toMatchObject({ problem: null, halfProblem: null });
    expect(backends.map(({ provider }) => provider)).toEqual([
      'tfjs-node-gpu',
      'tfjs-node',
      'tfjs-wasm',
      'tfjs-cpu',
    ]);
    expect(backends.slice(2).map(({ problem }) => problem)).toEqual([null, null]);
    expect(packages['onnxruntime-node']).toMatch(/^\d+\.\d+/);
    expect(Object.values(packages)).not.toContain(null);
  });
});
