import { createRequire } from 'node:module';

/** The version of onnxruntime that is installed, without loading it: its kernels may round otherwise than another's. */
export function onnxRuntimeVersion(): string {
  const { version } = createRequire(import.meta.url)('onnxruntime-node/package.json') as { version: string };
  return version;
}
