import { access } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { type Command, Option } from 'commander';
import { TributaryError } from '../../errors.js';
import type {
  PretrainingConfig,
  PretrainingPart,
} from '../../models/shapes/pretraining/pretraining-config.js';
import type {
  PretrainingProgress,
  PretrainingService,
} from '../../models/shapes/pretraining/pretraining-thread.js';
import { startThread } from '../../models/threads/thread.js';
import { writeDuration, writeScore } from '../../streams/report/figures.js';
import { watchInterrupt } from '../input/interrupt.js';
import { loadPretraining } from '../input/load-pretraining.js';
import { logOption, whole } from '../input/options.js';
import { createLog, type LogForm } from '../output/log.js';
import { bar, openStatusLine, remainingTime } from '../output/status-line.js';

interface PretrainOptions {
  readonly part?: PretrainingPart;
  readonly resume: boolean;
  readonly threads: number;
  readonly log: LogForm;
}

/** What shows a pretraining while it goes on. */
interface PretrainOutput {
  show(part: PretrainingPart, progress: PretrainingProgress): void;
  say(message: string): void;
  close(): void;
}

const STEPS_A_CALL = 20;
const STEPS_A_CHECKPOINT = 250;
const PARTS: readonly PretrainingPart[] = ['denoiser', 'reward'];

/** `tributary pretrain`: trains the shapes model and its reward model from scratch. */
export function addPretrainCommand(program: Command): void {
  program
    .command('pretrain')
    .description('train the shapes model and its reward model from scratch')
    .argument('<config>', 'YAML file, such as config/pretrain-shapes.yaml')
    .addOption(new Option('--part <name>', 'only one of the two').choices(PARTS))
    .option('--resume', 'continue from the checkpoints under runs/<name of the config file>', false)
    .option(
      '--threads <n>',
      'threads that compute; for the reward model, another number may change the last bits',
      whole(1),
      2,
    )
    .addOption(logOption('text'))
    .action(pretrain);
}

async function pretrain(path: string, { part, resume, threads, log }: PretrainOptions): Promise<void> {
  const config = await loadPretraining(path);
  const folder = join('runs', basename(path, extname(path)));
  const output = log === 'json' ? logOutput() : textOutput();
  const interrupt = watchInterrupt(() => output.say('stopping: these steps are finished and saved'));
  try {
    for (const one of part ? [part] : PARTS) {
      const checkpointPath = join(folder, `${one}.safetensors`);
      if (!resume) await requireNone(checkpointPath);
      await pretrainPart({ config, part: one, checkpointPath, resume, threads }, output, interrupt.signal);
      if (interrupt.signal.aborted) return;
    }
  } finally {
    output.close();
    interrupt.release();
  }
}

async function pretrainPart(
  {
    threads,
    ...request
  }: {
    config: PretrainingConfig;
    part: PretrainingPart;
    checkpointPath: string;
    resume: boolean;
    threads: number;
  },
  output: PretrainOutput,
  stopping: AbortSignal,
): Promise<void> {
  const { part, checkpointPath } = request;
  const thread = startThread<PretrainingService>(
    new URL('../../models/shapes/pretraining/pretraining-thread.js', import.meta.url),
    `pretraining of the ${part}`,
  );
  try {
    let progress = await thread.call.open({ ...request, engine: { providers: ['cpu'], threads } });
    output.say(`${part}: ${progress.parameters.toLocaleString('en-US')} parameters`);
    if (request.resume) {
      const found =
        progress.step > 0 ? `goes on from step ${progress.step}` : 'no checkpoint there, begins at step 0';
      output.say(`${checkpointPath}: ${found}`);
    }
    while (progress.step < progress.numSteps && !stopping.aborted) {
      const toCheckpoint = STEPS_A_CHECKPOINT - (progress.step % STEPS_A_CHECKPOINT);
      progress = await thread.call.advance({ steps: Math.min(STEPS_A_CALL, toCheckpoint) });
      output.show(part, progress);
      if (progress.step % STEPS_A_CHECKPOINT === 0) await thread.call.save(undefined);
    }
    await thread.call.save(undefined);
    if (progress.step < progress.numSteps) {
      output.say(`${checkpointPath}: saved at step ${progress.step}; go on with --resume`);
      return;
    }
    await thread.call.exportModels(undefined);
    output.say(`${part}: written to ${request.config.pipeline}`);
  } finally {
    await thread.close();
  }
}

async function requireNone(checkpointPath: string): Promise<void> {
  const isThere = await access(checkpointPath).then(
    () => true,
    () => false,
  );
  if (!isThere) return;
  throw new TributaryError(
    'TRIB_USAGE',
    `${checkpointPath}: expected no earlier training, got a checkpoint. Continue it with --resume, or remove it.`,
  );
}

function textOutput(): PretrainOutput {
  const line = openStatusLine(process.stderr);
  const estimates = new Map<PretrainingPart, (share: number) => number | null>();
  return {
    show(part, { step, numSteps, loss }) {
      const remaining = estimates.get(part) ?? remainingTime(() => performance.now() / 1000);
      estimates.set(part, remaining);
      const seconds = remaining(step / numSteps);
      const left = seconds === null ? '' : ` · ${writeDuration(seconds)} left`;
      const text = `${part} ${step}/${numSteps} · loss ${writeScore(loss)}${left}`;
      line.draw(`${bar(step / numSteps, 18)} ${text}`, text);
    },
    say: (message) => line.print(message),
    close: () => line.clear(),
  };
}

function logOutput(): PretrainOutput {
  const log = createLog();
  return {
    show: (part, progress) => log.info({ part, ...progress }, 'steps taken'),
    say: (message) => log.info(message),
    close: () => undefined,
  };
}
