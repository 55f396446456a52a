import { describe, expect, it } from 'vitest';
import { providerAdvice } from '../../../src/cli/doctor/provider-advice.js';
import { type CudaParts, unresolved } from '../../../src/models/engines/onnxruntime/installation.js';

/** Recorded from onnxruntime-node 1.30 without its CUDA library, and with it but without what it needs. */
const NOT_LOADED = 'OrtSessionOptionsAppendExecutionProvider_Cuda: Failed to load shared library';
/** From onnxruntime's issue tracker: microsoft/onnxruntime#22968. */
const NO_CUBLAS =
  'Failed to load library libonnxruntime_providers_cuda.so with error: libcublasLt.so.12: cannot open shared object file: No such file or directory';
const NO_DEVICE = 'CUDA failure 100: no CUDA-capable device is detected ; GPU=-1 ; hostname=a';
const OLD_DRIVER = 'CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version';

const WHOLE: CudaParts = {
  platform: 'linux x64',
  isFetched: false,
  hasProvider: true,
  missingLibraries: [],
  driver: 'NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15',
};
const cuda = (problem: string, parts: Partial<CudaParts> = {}) =>
  providerAdvice('cuda', problem, { ...WHOLE, ...parts });

describe('the advice on cuda', () => {
  it('should give the command that installs it, where it is not', () => {
    expect(cuda(NOT_LOADED, { hasProvider: false, missingLibraries: null })).toEqual([
      'Its library is too large for the npm package. Fetch it: ONNXRUNTIME_NODE_INSTALL=cuda12 npm rebuild onnxruntime-node --ignore-scripts=false',
    ]);
  });

  it('should first have it installed where npm left it out, and only the cache has it', () => {
    expect(cuda(NOT_LOADED, { isFetched: true, hasProvider: false, missingLibraries: null })).toEqual([
      expect.stringMatching(
        /ONNXRUNTIME_NODE_INSTALL=skip npm install onnxruntime-node@\S+, then .* npm rebuild /,
      ),
    ]);
  });

  it('should name every library that is missing, and where each comes from', () => {
    expect(cuda(NOT_LOADED, { missingLibraries: ['libcublasLt.so.12', 'libcudnn.so.9'] })).toEqual([
      'The loader cannot find libcublasLt.so.12, libcudnn.so.9. Install the CUDA 12 toolkit and cuDNN 9 for CUDA 12, or add its folder to LD_LIBRARY_PATH.',
    ]);
    expect(cuda(NO_CUBLAS, { missingLibraries: null })).toEqual([
      expect.stringMatching(/^The loader cannot find libcublasLt\.so\.12\. Install the CUDA 12 toolkit, or/),
    ]);
  });

  it('should tell a driver that is not there from one that reports no device, and from one that is too old', () => {
    expect(cuda(NOT_LOADED, { driver: null })).toEqual([
      expect.stringMatching(/^No NVIDIA driver is loaded/),
    ]);
    expect(cuda(NO_DEVICE)).toEqual([expect.stringMatching(/^The driver \(NVRM .*\) reports no device\./)]);
    expect(cuda(OLD_DRIVER)).toEqual([expect.stringMatching(/is too old: CUDA 12 needs 525\.60/)]);
  });

  it('should list everything that is missing at once', () => {
    expect(cuda(NOT_LOADED, { hasProvider: false, missingLibraries: null, driver: null })).toHaveLength(2);
  });

  it('should not send anyone to install what does not exist', () => {
    expect(cuda('backend not found', { platform: 'darwin arm64', hasProvider: false })).toEqual([
      'onnxruntime-node has a CUDA provider only for linux x64; this is darwin arm64. Use webgpu.',
    ]);
  });

  it('should say so where nothing is missing', () => {
    expect(cuda('CUDA failure 2: out of memory')).toEqual([
      expect.stringMatching(/are present\. Check nvidia-smi/),
    ]);
  });
});

describe('unresolved', () => {
  it('should read what ldd does not find, but for the library that loads the provider', () => {
    expect(
      unresolved(
        '\tlinux-vdso.so.1 (0x00007ffd)\n\tlibcublasLt.so.12 => not found\n\tlibcudnn.so.9 => not found\n' +
          '\tlibonnxruntime.so.1 => not found\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)\n',
      ),
    ).toEqual(['libcublasLt.so.12', 'libcudnn.so.9']);
  });
});
