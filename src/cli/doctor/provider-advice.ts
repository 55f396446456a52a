import type { OnnxRuntimeProvider } from '../../models/engines/contract/engine.js';
import type { CudaParts } from '../../models/engines/onnxruntime/installation.js';
import { INSTALL_COMMAND } from '../../models/engines/onnxruntime/runtime.js';

// The package's own scripts do not run by default: see .npmrc.
const INSTALL_CUDA = 'ONNXRUNTIME_NODE_INSTALL=cuda12 npm rebuild onnxruntime-node --ignore-scripts=false';

/** CUDA's libraries by the start of their names, and where they come from. */
const LIBRARY_SOURCES: readonly (readonly [RegExp, string])[] = [
  [/^libcudnn/, 'cuDNN 9 for CUDA 12'],
  [/^libcuda\.so/, 'the NVIDIA driver'],
  [/^lib(cublas|cudart|cufft|curand|nvrtc|nvJitLink)/, 'the CUDA 12 toolkit'],
];

/** What to do about a provider that does not work, by what was said and found; one line each, the next step first. */
export function providerAdvice(provider: OnnxRuntimeProvider, problem: string, cuda: CudaParts): string[] {
  switch (provider) {
    case 'cpu':
      return ['Reinstall with npm ci: the CPU library is part of the onnxruntime-node package.'];
    case 'webgpu':
      return [
        'WebGPU needs the Vulkan loader and a driver: on Debian or Ubuntu, apt-get install libvulkan1 and the driver package of your GPU.',
      ];
    case 'cuda':
      return cudaAdvice(problem, cuda);
    default:
      return provider satisfies never;
  }
}

function cudaAdvice(
  problem: string,
  { platform, isFetched, hasProvider, missingLibraries, driver }: CudaParts,
): string[] {
  if (platform !== 'linux x64')
    return [`onnxruntime-node has a CUDA provider only for linux x64; this is ${platform}. Use webgpu.`];
  const advice: string[] = [];
  if (!hasProvider) {
    const first = isFetched ? `${INSTALL_COMMAND}, then ` : '';
    advice.push(`Its library is too large for the npm package. Fetch it: ${first}${INSTALL_CUDA}`);
  }
  const missing = new Set([...(missingLibraries ?? []), ...librariesIn(problem)]);
  if (missing.size > 0) {
    const sources = new Set([...missing].map(sourceOf));
    advice.push(
      `The loader cannot find ${[...missing].join(', ')}. Install ${[...sources].join(' and ')}, or add its folder to LD_LIBRARY_PATH.`,
    );
  }
  if (driver === null || /no CUDA-capable device|CUDA failure 100\b/.test(problem))
    advice.push(
      driver === null
        ? 'No NVIDIA driver is loaded (/proc/driver/nvidia/version does not exist). Install it, or start the container with --gpus all.'
        : `The driver (${driver}) reports no device. Check nvidia-smi and CUDA_VISIBLE_DEVICES.`,
    );
  if (/driver version is insufficient|CUDA failure 35\b/.test(problem))
    advice.push(
      `The driver${driver === null ? '' : ` (${driver})`} is too old: CUDA 12 needs 525.60 or later.`,
    );
  return advice.length > 0
    ? advice
    : [
        'The library, its dependencies and the driver are present. Check nvidia-smi for memory and device errors.',
      ];
}

/** `error: libcublasLt.so.12: cannot open shared object file`: what the loader stopped at, the first of perhaps several. */
function librariesIn(problem: string): string[] {
  return [...problem.matchAll(/(\S+\.so[.\d]*): cannot open shared object file/g)].flatMap(([, name = '']) =>
    name.includes('libonnxruntime') ? [] : [name],
  );
}

const sourceOf = (library: string) =>
  LIBRARY_SOURCES.find(([name]) => name.test(library))?.[1] ?? `the package of ${library}`;
