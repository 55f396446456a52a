/** @file Processes that measure: each prints one line of JSON, its last. */

import { execFile, spawn } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

async function lastLine(command, script, args) {
  const { stdout } = await run(command, [script, ...args.map(String)]);
  return JSON.parse(stdout.trim().split('\n').at(-1));
}

/** What a script of ours prints. */
export const runNode = (script, args) => lastLine(process.execPath, script, args);

/** What a script in Python prints. */
export const runPython = (python, script, args) => lastLine(python, script, args);

/** Ends by itself when its parent does. */
const SPIN = 'const parent = process.ppid; while (process.ppid === parent);';

/** Does something while a process keeps a core busy. */
export async function whileBusy(act) {
  const spinning = spawn(process.execPath, ['-e', SPIN], { stdio: 'ignore' });
  try {
    return await act();
  } finally {
    spinning.kill();
  }
}
