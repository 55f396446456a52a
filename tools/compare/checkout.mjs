/** @file The files of a commit, installed and built in a folder of their own. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The folder of the program that this script belongs to. */
export const HERE = join(import.meta.dirname, '..', '..');

const run = (command, words, cwd = HERE) =>
  execFileSync(command, words, { cwd, stdio: ['ignore', 'pipe', 2] });

/**
 * Makes the folder `<work>/<id>/` of a commit, or finds it there; `.` is the working tree itself, built anew.
 * @returns its folder, the id that results go by, and whether it is a commit, whose results last.
 */
export async function checkOut(name, work) {
  if (name === '.') {
    run('npm', ['run', 'build']);
    return { folder: HERE, id: 'working-tree', isCommit: false, words: await wordsOf(HERE) };
  }
  const id = run('git', ['rev-parse', '--short=12', '--verify', `${name}^{commit}`])
    .toString()
    .trim();
  const folder = join(work, id);
  const built = join(work, `${id}.built`);
  if (!existsSync(built)) {
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder);
    const archive = `${folder}.tar`;
    run('git', ['archive', '--output', archive, id]);
    run('tar', ['-xf', archive, '-C', folder]);
    await rm(archive);
    await install(folder);
    run('npm', ['run', 'build'], folder);
    await writeFile(built, '');
  }
  return { folder, id, isCommit: true, words: await wordsOf(folder) };
}

/** Takes the packages that are installed here where the lock file is the same, else installs the commit's own. */
async function install(folder) {
  const lockOf = (of) => readFile(join(of, 'package-lock.json'), 'utf8');
  const packages = join(HERE, 'node_modules');
  if (existsSync(packages) && (await lockOf(folder)) === (await lockOf(HERE)))
    await symlink(await realpath(packages), join(folder, 'node_modules'));
  else run('npm', ['ci'], folder);
}

/** What configs and commands call things, in a word each. */
const WORDS = {
  1: {
    numRounds: 'numStages',
    groupsPerRound: 'groupsPerStage',
    updatesPerRound: 'updatesPerStage',
    sparseSteps: 'stages',
    reward: 'rewards',
    rewardType: 'scoreRewards',
    roles: '--stages',
    reparameterize: 'reparameterise',
  },
  2: {
    numRounds: 'numRounds',
    groupsPerRound: 'groupsPerRound',
    updatesPerRound: 'updatesPerRound',
    sparseSteps: 'phases',
    reward: 'reward',
    rewardType: 'reward',
    roles: '--roles',
    reparameterize: 'reparameterize',
  },
};

/** Configs without a version are of the first. */
async function wordsOf(folder) {
  const [, version = '1'] =
    /^version: (\d+)$/m.exec(await readFile(join(folder, 'config/demo.yaml'), 'utf8')) ?? [];
  return WORDS[version] ?? WORDS[2];
}
