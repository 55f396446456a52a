import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import * as rxjs from 'rxjs';
import { lastValueFrom, type Observable, toArray } from 'rxjs';
import { describe, expect, it } from 'vitest';
import * as operators from '../../src/operators/index.js';

const FOLDER = 'src/operators';
const files = Array.from(
  readFileSync(`${FOLDER}/index.ts`, 'utf8').matchAll(
    /^export \* from '\.\/((?:gathering\/)?[a-z-]+)\.js';$/gm,
  ),
  ([, file = '']) => file,
);
const nameOf = (file: string) =>
  basename(file).replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());

/** The lines of the example in a docstring: code that makes `result$`, and at last what it emits, as a comment. */
function exampleIn(source: string): readonly string[] {
  const [, example = ''] = /^ \* Example:\n \* ```js\n((?: \* .*\n)+?) \* ```$/m.exec(source) ?? [];
  return example.split('\n').flatMap((line) => (line === '' ? [] : [line.slice(' * '.length)]));
}

/** Runs JavaScript that sees rxjs and the operators, in a block that may reuse their names; returns `expression`. */
function evaluate(code: string, expression: string): unknown {
  const scope = { ...rxjs, ...operators };
  return new Function(...Object.keys(scope), `{ ${code}\nreturn ${expression}; }`)(...Object.values(scope));
}

describe('the example of a public operator', () => {
  it('should be looked for in all of them', () => {
    expect(files.length).toBeGreaterThan(14);
  });

  it.each(files)('should give the result in its comment: %s', async (file) => {
    const lines = exampleIn(readFileSync(`${FOLDER}/${file}.ts`, 'utf8'));
    const [code, result] = [lines.slice(0, -1).join('\n'), lines.at(-1) ?? ''];
    expect(lines.length).toBeLessThan(10);
    expect(code).toContain(`${nameOf(file)}(`);
    expect(result).toMatch(/^\/\/ \[.*\]$/);
    const result$ = evaluate(code, 'result$') as Observable<unknown>;
    expect(await lastValueFrom(result$.pipe(toArray()))).toEqual(evaluate('', result.replace('// ', '')));
  });
});
