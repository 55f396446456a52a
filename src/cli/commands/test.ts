import type { Command } from 'commander';
import { TributaryError } from '../../errors.js';
import { configPath, lintWithModules, readConfigText } from '../../streams/config/load-topology.js';
import { requireConfig } from '../../streams/config/source/lint-sources.js';
import { collect } from '../input/options.js';

/** `tributary test`: runs the tests of a config. */
export function addTestCommand(program: Command): void {
  program
    .command('test')
    .description('run the tests that a config holds of its topology, in virtual time')
    .argument('<config>', 'YAML file of a topology with a block `tests`')
    .option('--set <key=value>', 'override a value of the config; repeatable', collect, [])
    .action(test);
}

async function test(path: string, { set }: { readonly set: readonly string[] }): Promise<void> {
  const file = configPath(path);
  const linted = await lintWithModules(await readConfigText(file), file, { overrides: set });
  const config = requireConfig(linted);
  const tests = Object.entries(linted.tests ?? {});
  if (tests.length === 0)
    throw new TributaryError(
      'TRIB_USAGE',
      `config ${path}: expected a block \`tests\`, got none. Write one, see docs/config-tests.md.`,
    );
  // The clock is loaded for it alone.
  const { runConfigTest } = await import('../../streams/testing/run-config-test.js');
  let failed = 0;
  for (const [name, one] of tests) {
    const lines = await runConfigTest(config, one);
    console.log(`${lines.length === 0 ? 'ok  ' : 'FAIL'}  ${name}`);
    for (const line of lines) console.log(`      ${line}`);
    if (lines.length > 0) failed += 1;
  }
  if (failed > 0)
    throw new TributaryError(
      'TRIB_TEST',
      `config ${path}: expected every test to pass, got ${failed} of ${tests.length} that failed. Lines with - were expected, lines with + came.`,
    );
}
