import { once } from 'node:events';
import type { Command } from 'commander';
import { openDashboard } from '../../dashboard/dashboard-server.js';
import { watchInterrupt } from '../input/interrupt.js';
import { collect, whole } from '../input/options.js';

/** `tributary dashboard`: a page that follows a run. */
export function addDashboardCommand(program: Command): void {
  program
    .command('dashboard')
    .description('serve the report of a run as a page that follows it')
    .argument('<run directory>', 'a folder such as runs/<name>; the run may begin later')
    .option(
      '--host <address>',
      'address to listen on; beyond loopback, anyone who reaches it can see the run',
      '127.0.0.1',
    )
    .option('--port <number>', 'port to listen on; 0 takes a free one', whole(0, 65_535), 8080)
    .option(
      '--allow-host <name>',
      'a name besides localhost and addresses that browsers may call it by, as behind a proxy; repeatable',
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
  const { url, close } = await openDashboard({ runPath, host, port, allowHosts: allowHost });
  console.log(`${runPath} at ${url}`);
  const { signal, release } = watchInterrupt(() => undefined);
  await once(signal, 'abort');
  release();
  await close();
}
