/**
 * @file Counts what a reader of src/ has before him: files, lines and exported symbols, without generated code, and the
 * largest folder. `node tools/count-source.mjs` counts the working tree, `node tools/count-source.mjs <commit>...` commits.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { parseSync } from '@swc/core';

const git = (...words) => execFileSync('git', words, { encoding: 'utf8', maxBuffer: 2 ** 28 });

const isCounted = (path) => path.startsWith('src/') && path.endsWith('.ts') && !path.endsWith('_pb.ts');

/** The names that a file declares and exports; an overloaded function is one name, a name passed on is none. */
function exportedNames(text) {
  const names = new Set();
  for (const { type, declaration } of parseSync(text, { syntax: 'typescript' }).body) {
    if (type.startsWith('ExportDefault')) names.add('default');
    if (type !== 'ExportDeclaration') continue;
    const declared = declaration.declarations?.map(({ id }) => id) ?? [
      declaration.identifier ?? declaration.id,
    ];
    for (const { value } of declared) names.add(value);
  }
  return names;
}

function count(commit) {
  const paths = (commit ? git('ls-tree', '-r', '--name-only', commit) : git('ls-files', 'src')).split('\n');
  const files = paths.filter(isCounted);
  const perFolder = new Map();
  let lines = 0;
  let exported = 0;
  for (const path of files) {
    const text = commit ? git('show', `${commit}:${path}`) : readFileSync(path, 'utf8');
    lines += text.split('\n').length - 1;
    exported += exportedNames(text).size;
    perFolder.set(dirname(path), (perFolder.get(dirname(path)) ?? 0) + 1);
  }
  const [folder, most] = [...perFolder].sort(([, a], [, b]) => b - a)[0];
  return `${files.length} files, ${lines} lines, ${exported} exported symbols; most files in ${folder}: ${most}`;
}

const commits = process.argv.slice(2);
if (commits.length === 0) console.log(count());
for (const commit of commits) console.log(`${commit}: ${count(commit)}`);
