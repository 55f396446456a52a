/**
 * @file What is installed of onnxruntime and CUDA, found without loading either. onnxruntime only says that a shared library
 * could not be loaded; which one, and why, takes a look at the files.
 */

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isRuntimeFetched, resolveRuntime } from './runtime.js';

/** The installed version of onnxruntime: the kernels of different versions may round differently. */
export function onnxRuntimeVersion(): string {
  const manifest = resolveRuntime('onnxruntime-node/package.json');
  const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string };
  return version;
}

export interface CudaParts {
  /** Such as `linux x64`, the only one for which onnxruntime-node has a CUDA provider. */
  readonly platform: string;
  /** Whether npm left the package out and it was fetched later: then `npm rebuild` does not find it. */
  readonly isFetched: boolean;
  /** Whether onnxruntime's CUDA provider was installed into its package. */
  readonly hasProvider: boolean;
  /** Libraries that the provider needs and the loader does not find; null if that cannot be determined. */
  readonly missingLibraries: readonly string[] | null;
  /** What the NVIDIA kernel driver reports about itself; null if none is loaded. */
  readonly driver: string | null;
}

/** Checks the package's folder, the provider's libraries and the kernel driver. */
export function findCudaParts(): CudaParts {
  const main = resolveRuntime();
  const folder = join(dirname(main), '..', 'bin', 'napi-v6', process.platform, process.arch);
  const provider = join(folder, 'libonnxruntime_providers_cuda.so');
  const hasProvider = existsSync(provider);
  return {
    platform: `${process.platform} ${process.arch}`,
    isFetched: isRuntimeFetched(),
    hasProvider,
    missingLibraries: hasProvider ? missingLibraries(provider) : null,
    driver: driverVersion(),
  };
}

function missingLibraries(library: string): string[] | null {
  try {
    return unresolved(
      execFileSync('ldd', [library], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
    );
  } catch {
    return null; // no ldd here, as on Alpine without it
  }
}

/** Names that `ldd` could not find: `\tlibcublasLt.so.12 => not found`. onnxruntime's own library will be loaded by then. */
export function unresolved(ldd: string): string[] {
  return [...ldd.matchAll(/^\s*(\S+) => not found$/gm)].flatMap(([, name = '']) =>
    name.startsWith('libonnxruntime') ? [] : [name],
  );
}

/** The first line of the driver's report, or that of Windows if this Linux runs inside it. */
function driverVersion(): string | null {
  try {
    return readFileSync('/proc/driver/nvidia/version', 'utf8').split('\n')[0]?.trim() ?? null;
  } catch {
    return existsSync('/dev/dxg') ? 'of Windows, by /dev/dxg' : null;
  }
}
