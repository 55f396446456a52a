import { once } from 'node:events';
import type { Command } from 'commander';
import { openDashboard } from '../../api/open-dashboard.js';
import { watchInterrupt } from '../input/interrupt.js';
import { collect, whole } from '../input/options.js';
import { warn } from '../output/log.js';

/** `tributary dashboard`: a page that follows a run. */
export function addDashboardCommand(program: Command): void {
  program
    .command('dashboard')
    .description('serve a page that follows a run, or all runs of a folder')
    .argument('<folder>', 'a run directory such as runs/<name>, which may begin later, or a folder of some')
    .option(
      '--host <address>',
      'address to listen on; if not loopback, anyone who can reach it can see the run',
      '127.0.0.1',
    )
    .option('--port <number>', 'port to listen on; 0 picks a free one', whole(0, 65_535), 8080)
    .option(
      '--allow-host <name>',
      'further host name that browsers may use besides localhost and IP addresses, such as a proxy; repeatable',
      collect,
      [],
    )
    .action(dashboard);
}

async function dashboard(
  runPath: string,
  {
    host,
    port,
    allowHost,
  }: { readonly host: string; readonly port: number; readonly allowHost: readonly string[] },
): Promise<void> {
  const token = process.env.TRIBUTARY_GATEWAY_TOKEN || undefined;
  const { url, close } = await openDashboard({ runPath, host, port, allowHosts: allowHost, token, warn });
  console.log(`${runPath} at ${url}`);
  const { signal, release } = watchInterrupt(() => undefined);
  await once(signal, 'abort');
  release();
  await close();
}
