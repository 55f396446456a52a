import { availableParallelism, freemem, totalmem } from 'node:os';
import type { Command } from 'commander';
import { TributaryError } from '../../errors.js';
import { PROVIDERS, TFJS_BACKENDS } from '../../models/engines/contract/engine.js';
import { findCudaParts, onnxRuntimeVersion } from '../../models/engines/onnxruntime/installation.js';
import { ensureRuntime } from '../../models/engines/onnxruntime/runtime.js';
import { INSTALL_COMMAND } from '../../models/engines/tfjs/backends.js';
import { dependencyVersions, VERSION } from '../../own-package.js';
import { type Allocator, allocatorAdvice, findAllocator } from '../doctor/allocator.js';
import { providerAdvice } from '../doctor/provider-advice.js';
import {
  checkBackend,
  checkProvider,
  type OnnxRuntimeCheck,
  type ProviderCheck,
} from '../doctor/provider-check.js';
import { warn } from '../output/log.js';

const TFJS_HINT = `TensorFlow.js is optional: ${INSTALL_COMMAND} adds wasm and cpu, docs/engines.md says how to add node and node-gpu.`;

const GIB = 2 ** 30;

interface AdvisedCheck extends OnnxRuntimeCheck {
  /** What to do, where it does not work. */
  readonly advice: readonly string[];
}

/** `tributary doctor`: checks what this machine offers. */
export function addDoctorCommand(program: Command): void {
  program
    .command('doctor')
    .description('check which providers and backends work here, and list versions, threads and memory')
    .option('--json', 'as JSON on standard output', false)
    .action(doctor);
}

async function doctor({ json }: { readonly json: boolean }): Promise<void> {
  await ensureRuntime(warn);
  const providers: AdvisedCheck[] = [];
  const cuda = findCudaParts();
  for (const provider of PROVIDERS) {
    const check = await checkProvider(provider);
    const { problem } = check;
    providers.push({ ...check, advice: problem === null ? [] : providerAdvice(provider, problem, cuda) });
  }
  const backends: ProviderCheck[] = [];
  for (const backend of TFJS_BACKENDS) backends.push(await checkBackend(backend));
  const findings = {
    tributary: VERSION,
    node: process.versions.node,
    platform: `${process.platform} ${process.arch}`,
    threads: availableParallelism(),
    freeMemoryBytes: freemem(),
    totalMemoryBytes: totalmem(),
    allocator: findAllocator(process.env),
    providers,
    backends,
    // It may be where the other packages are not.
    packages: { ...dependencyVersions(), 'onnxruntime-node': onnxRuntimeVersion() },
  };
  console.log(json ? JSON.stringify(findings) : describe(findings));
  const cpu = providers.find(({ provider }) => provider === 'cpu');
  if (cpu?.problem) {
    throw new TributaryError(
      'TRIB_PROVIDER',
      `provider cpu: expected it to run a graph, got "${cpu.problem}". ${cpu.advice.join(' ')}`,
    );
  }
}

function describe(findings: {
  readonly tributary: string;
  readonly node: string;
  readonly platform: string;
  readonly threads: number;
  readonly freeMemoryBytes: number;
  readonly totalMemoryBytes: number;
  readonly allocator: Allocator;
  readonly providers: readonly AdvisedCheck[];
  readonly backends: readonly ProviderCheck[];
  readonly packages: Readonly<Record<string, string | null>>;
}): string {
  const gib = (bytes: number) => `${(bytes / GIB).toFixed(1)} GiB`;
  const state = ({ provider, problem }: ProviderCheck) =>
    row(provider, problem === null ? 'works' : `not there: ${problem}`);
  const providers = findings.providers.flatMap((check) => [
    state(check),
    ...describeHalf(check),
    ...check.advice.map((line) => row('', line)),
  ]);
  return [
    row('tributary', findings.tributary),
    row('node', `${findings.node} on ${findings.platform}`),
    row('threads', String(findings.threads)),
    row('free memory', `${gib(findings.freeMemoryBytes)} of ${gib(findings.totalMemoryBytes)}`),
    ...(findings.allocator.glibc === null ? [] : [row('allocator', `glibc ${findings.allocator.glibc}`)]),
    ...allocatorAdvice(findings.allocator).map((line) => row('', line)),
    '',
    'providers',
    ...providers,
    '',
    'backends of TensorFlow.js',
    ...findings.backends.map(state),
    ...(findings.backends.some(({ problem }) => problem !== null) ? [row('', TFJS_HINT)] : []),
    '',
    'packages',
    ...Object.entries(findings.packages).map(([name, version]) => row(name, version ?? 'not installed')),
  ].join('\n');
}

function describeHalf({ provider, problem, halfProblem }: AdvisedCheck): string[] {
  if (problem !== null) return [];
  if (halfProblem !== null)
    return [row('', `No half precision: ${halfProblem}. Leave model.precision at float32 with it.`)];
  const cost = provider === 'cpu' ? ', slower than single precision: for trials' : '';
  return [row('', `Half precision works${cost} (model.precision: float16).`)];
}

function row(name: string, value: string): string {
  return `${name.padEnd(21)} ${value}`;
}
