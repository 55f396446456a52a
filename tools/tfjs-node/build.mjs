/**
 * @file Builds the native addon of an installed tfjs-node against the libtensorflow of a TensorFlow wheel. See the README
 * beside it.
 *
 *   node tools/tfjs-node/build.mjs --tensorflow <folder> [--package @tensorflow/tfjs-node]
 */

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    tensorflow: { type: 'string' },
    package: { type: 'string', default: '@tensorflow/tfjs-node' },
  },
});

function fail(message) {
  console.error(`error: ${message}`);
  process.exit(1);
}

if (!values.tensorflow)
  fail('--tensorflow: expected the folder `tensorflow` of an unpacked wheel, got none. Name it.');
const tensorflow = resolve(values.tensorflow);
const LIBRARIES = ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'];
for (const part of [...LIBRARIES, 'include/tensorflow/c/c_api.h']) {
  if (!existsSync(join(tensorflow, part)))
    fail(`${tensorflow}: expected ${part}, got none. Unpack a wheel of TensorFlow for Linux.`);
}

const requireHere = createRequire(join(process.cwd(), 'package.json'));
let manifestPath;
try {
  manifestPath = requireHere.resolve(`${values.package}/package.json`);
} catch {
  fail(
    `${values.package}: expected it to be installed, got none. Run npm install --ignore-scripts ${values.package}.`,
  );
}
const folder = dirname(manifestPath);
const { binary } = JSON.parse(readFileSync(manifestPath, 'utf8'));
const [napi] = binary.napi_versions.toSorted((a, b) => b - a);

// The addon is linked with -ltensorflow, and looks for the libraries by their own names in deps/lib when it is loaded.
const deps = join(folder, 'deps');
rmSync(deps, { recursive: true, force: true });
mkdirSync(join(deps, 'lib'), { recursive: true });
symlinkSync(join(tensorflow, 'include'), join(deps, 'include'));
const link = (library, name) => symlinkSync(join(tensorflow, library), join(deps, 'lib', name));
for (const library of LIBRARIES) link(library, library);
link(LIBRARIES[0], 'libtensorflow.so');
link(LIBRARIES[1], 'libtensorflow_framework.so');

execFileSync(
  'npx',
  [
    '--yes',
    'node-gyp',
    'rebuild',
    `--module_name=${binary.module_name}`,
    `--module_path=${join(folder, binary.module_path.replace('{napi_build_version}', napi))}`,
    `--napi_build_version=${napi}`,
  ],
  { cwd: folder, stdio: 'inherit' },
);
console.log(`${values.package} is built against ${tensorflow}`);
