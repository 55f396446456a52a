/** @file The folder of somebody who has installed the package: programs of theirs import it by its name. */

import { spawn } from 'node:child_process';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { transform } from 'esbuild';
import { temporaryFolder } from '../fixtures/temporary-folder.js';

const PACKAGE = join(import.meta.dirname, '../..');

export interface EndedProgram {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface OwnProject {
  readonly folder: string;
  /** Copies a program; TypeScript becomes JavaScript. */
  add(path: string): Promise<void>;
  /** Runs a program until it ends by itself. */
  run(name: string, args?: readonly string[]): Promise<EndedProgram>;
}

export async function ownProject(): Promise<OwnProject> {
  const folder = await temporaryFolder();
  await mkdir(join(folder, 'node_modules'));
  await symlink(PACKAGE, join(folder, 'node_modules/tributary-rl'));
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
  return {
    folder,
    async add(path) {
      const { code } = await transform(await readFile(path, 'utf8'), { loader: 'ts' });
      await writeFile(join(folder, basename(path).replace(/\.ts$/, '.js')), code);
    },
    run(name, args = []) {
      const child = spawn(process.execPath, [name, ...args], { cwd: folder });
      const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
      child.stdout.on('data', (data: Buffer) => stdout.push(data));
      child.stderr.on('data', (data: Buffer) => stderr.push(data));
      return new Promise((resolve, reject) => {
        child.once('error', reject);
        child.once('close', (code) => resolve({ code, stdout: String(stdout), stderr: String(stderr) }));
      });
    },
  };
}
