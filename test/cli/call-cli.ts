import { Console } from 'node:console';
import { Writable } from 'node:stream';
import { runProgram } from '../../src/cli/program.js';
import type { CliResult } from './run-cli.js';

/** A place for output, as a pipe is one for a process. */
function outputPipe(): { readonly stream: Writable; text(): string } {
  const chunks: Buffer[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _, done) {
      chunks.push(chunk);
      done();
    },
  });
  return { stream, text: () => Buffer.concat(chunks).toString() };
}

function setVariables(variables: readonly (readonly [string, string | undefined])[]): void {
  for (const [name, value] of variables) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
}

/**
 * Runs a command as `runCli` does, in the process of the test, which saves half a second of a core. What is there only once
 * in a process is the command's own until it ends, so one must end before the next. Not for a command that logs while it
 * works: a log goes to the descriptor.
 */
export async function callCli(
  args: readonly string[],
  {
    cwd = process.cwd(),
    env = {},
  }: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<CliResult> {
  const [out, err] = [outputPipe(), outputPipe()];
  const variables = { DEBUG: undefined, ...env };
  const before = {
    cwd: process.cwd(),
    exitCode: process.exitCode,
    env: Object.keys(variables).map((name) => [name, process.env[name]] as const),
    console: globalThis.console,
  };
  const streams = { stdout: out.stream, stderr: err.stream };
  const own = Object.keys(streams).map(
    (name) => [name, Object.getOwnPropertyDescriptor(process, name) ?? {}] as const,
  );
  for (const [name, value] of Object.entries(streams))
    Object.defineProperty(process, name, { value, configurable: true });
  globalThis.console = new Console(streams);
  setVariables(Object.entries(variables));
  process.exitCode = undefined;
  // A thread of the kafka project cannot change its folder.
  if (cwd !== before.cwd) process.chdir(cwd);
  try {
    const status = await runProgram(args);
    const code = status || Number(process.exitCode ?? 0);
    return { code, stdout: out.text(), stderr: err.text() };
  } finally {
    process.exitCode = before.exitCode;
    if (cwd !== before.cwd) process.chdir(before.cwd);
    setVariables(before.env);
    globalThis.console = before.console;
    for (const [name, descriptor] of own) Object.defineProperty(process, name, descriptor);
  }
}
