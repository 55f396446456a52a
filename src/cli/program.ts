/** @file Runs a command line: finds its command, and turns what that throws into one message and an exit status. */
import { Command, CommanderError } from 'commander';
import { asTributaryError } from '../errors.js';
import { VERSION } from '../own-package.js';
import { addCompareCommand } from './commands/compare.js';
import { addCompletionCommand } from './commands/completion.js';
import { addControlCommand } from './commands/control.js';
import { addConvertCommand } from './commands/convert.js';
import { addDashboardCommand } from './commands/dashboard.js';
import { addDeadLettersCommand } from './commands/dead-letters.js';
import { addDemoCommand } from './commands/demo.js';
import { addDoctorCommand } from './commands/doctor.js';
import { addEvaluateCommand } from './commands/evaluate.js';
import { addExportCommand } from './commands/export.js';
import { addFetchCommand } from './commands/fetch.js';
import { addGraphCommand } from './commands/graph.js';
import { addInitCommand } from './commands/init.js';
import { addLintCommand } from './commands/lint.js';
import { addMergeCommand } from './commands/merge.js';
import { addPresetsCommand } from './commands/presets.js';
import { addPretrainCommand } from './commands/pretrain.js';
import { addPushCommand } from './commands/push.js';
import { addReparameterizeCommand } from './commands/reparameterize.js';
import { addRunCommand } from './commands/run.js';
import { addSampleCommand } from './commands/sample.js';
import { addStudioCommand } from './commands/studio.js';
import { addStudyCommand } from './commands/study.js';
import { addTestCommand } from './commands/test.js';
import { addTrainCommand } from './commands/train.js';
import { addTrainPairsCommand } from './commands/train-pairs.js';
import { guardOutput } from './output/visible-output.js';

/** Returns the program with all of its commands; whoever parses with it is thrown what is wrong. */
export function createProgram(): Command {
  const program = new Command('tributary')
    .description('Reinforcement-learning fine-tuning of diffusion models, built as a stream.')
    .version(VERSION)
    .exitOverride();
  addDemoCommand(program);
  addTrainCommand(program);
  addTrainPairsCommand(program);
  addRunCommand(program);
  addStudioCommand(program);
  addControlCommand(program);
  addFetchCommand(program);
  addConvertCommand(program);
  addSampleCommand(program);
  addEvaluateCommand(program);
  addCompareCommand(program);
  addExportCommand(program);
  addMergeCommand(program);
  addPushCommand(program);
  addStudyCommand(program);
  addPretrainCommand(program);
  addReparameterizeCommand(program);
  addPresetsCommand(program);
  addInitCommand(program);
  addLintCommand(program);
  addTestCommand(program);
  addGraphCommand(program);
  addDashboardCommand(program);
  addDeadLettersCommand(program);
  addDoctorCommand(program);
  addCompletionCommand(program);
  return program;
}

/** Prints a fault and returns the exit status: 2 for a wrong command line or config, 1 where the work failed. */
export function report(error: unknown): number {
  // Commander has printed its own message already, and throws to end with the help or the version too.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  const fault = asTributaryError(error);
  for (const line of fault.message.split('\n')) console.error(`error: ${line}`);
  if (fault.code === 'TRIB_INTERNAL' || process.env.DEBUG) {
    console.error(fault.cause instanceof Error ? fault.cause.stack : fault.stack);
  }
  return fault.exitCode;
}

/** Runs the command that the words name, as the process that the standard streams belong to; returns the exit status. */
export async function runProgram(words: readonly string[]): Promise<number> {
  for (const stream of [process.stdout, process.stderr]) guardOutput(stream);
  try {
    await createProgram().parseAsync(words, { from: 'user' });
    return 0;
  } catch (error) {
    return report(error);
  }
}
