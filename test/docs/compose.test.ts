/** @file docker-compose.yml against the program, the config and the Dockerfile that it names. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { addDashboardCommand } from '../../src/cli/commands/dashboard.js';
import { addRunCommand } from '../../src/cli/commands/run.js';
import { addStudioCommand } from '../../src/cli/commands/studio.js';
import { loadTopology } from '../../src/streams/config/load-topology.js';
import { stageOf } from '../../src/streams/config/resolved/stage-of.js';

interface Service {
  readonly image: string;
  readonly command?: readonly string[];
  readonly profiles?: readonly string[];
  readonly environment: Readonly<Record<string, string | number>>;
  readonly volumes: readonly string[];
  readonly ports?: readonly string[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly deploy?: { readonly replicas: number };
}

const { services, volumes } = parse(readFileSync('docker-compose.yml', 'utf8'), { merge: true }) as {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, null>>;
};
const dockerfile = readFileSync('Dockerfile', 'utf8').split('\n');
const image = dockerfile.slice(dockerfile.findLastIndex((line) => line.startsWith('FROM ')));
const started = Object.entries(services).filter(([, { command }]) => command !== undefined);
const parts = started.filter(([, { profiles }]) => profiles === undefined);
const examples = started.filter(([name, { profiles }]) => profiles !== undefined && name !== 'studio');

interface Parsed {
  readonly name: string;
  readonly argument: string;
  readonly options: {
    readonly set?: string[];
    readonly roles?: readonly string[] | 'all';
    readonly host?: string;
    readonly port?: number;
  };
}

/** Reads a command line as the program does, and does nothing. */
function parsed(command: readonly string[]): Parsed {
  const found: Parsed[] = [];
  const program = new Command('tributary').exitOverride();
  addRunCommand(program);
  addDashboardCommand(program);
  addStudioCommand(program);
  for (const one of program.commands)
    one.exitOverride().action((argument, options) => {
      found.push({ name: one.name(), argument, options });
    });
  program.parse(command, { from: 'user' });
  return found[0] as Parsed;
}

describe('docker-compose.yml', () => {
  it('should start every part of a run, two samplers, and a dashboard', () => {
    const roles = parts.flatMap(([, { command = [] }]) => parsed(command).options.roles ?? []);
    expect(roles.toSorted()).toEqual(['prompts', 'reward', 'sampler', 'trainer']);
    expect(services.sampler?.deploy?.replicas).toBe(2);
    expect(parts.map(([name]) => name)).toContain('dashboard');
  });

  it.each(parts)(
    'should give %s words that the program takes, and a config without faults',
    async (_, part) => {
      const { name, argument, options } = parsed(part.command ?? []);
      if (name === 'dashboard') return;
      const config = await loadTopology(argument, options.set);
      const address = services.kafka?.environment.KAFKA_ADVERTISED_LISTENERS;
      expect(config.transport.kafka.brokers?.map((broker) => `PLAINTEXT://${broker}`)).toEqual([address]);
      // What a part writes outlives its container.
      const { payloads } = config.transport.kafka;
      expect(payloads).toMatchObject({ type: 'folder' });
      const folder = payloads.type === 'folder' ? payloads.folder : '';
      expect(part.volumes).toContain(`payloads:/tributary/${folder}`);
      expect(part.volumes).toContain('runs:/tributary/runs');
    },
  );

  it('should start every example, each alone and only where it is named', () => {
    const files = readdirSync('config/examples').filter((file) => file.endsWith('.yaml'));
    expect(examples.map(([name]) => `${name}.yaml`).toSorted()).toEqual(files.toSorted());
    for (const [name, { profiles }] of examples) expect(profiles).toEqual([name]);
  });

  it.each(examples)('should give the example %s all that it needs', async (name, part) => {
    const { argument, options } = parsed(part.command ?? []);
    expect(argument).toBe(`config/examples/${name}.yaml`);
    const config = await loadTopology(argument, options.set);
    expect(options.roles).toBe('all');
    expect(part.volumes).toEqual(['runs:/tributary/runs', 'payloads:/tributary/payloads']);
    const needsBroker = config.transport.kind === 'kafka';
    expect(part.depends_on).toEqual(needsBroker ? { kafka: { condition: 'service_healthy' } } : {});
    if (needsBroker) expect(config.transport.kafka.brokers).toEqual(['kafka:9092']);
    const { source } = stageOf(config, 'prompts');
    const http = source.from === 'topic' ? source.http : undefined;
    expect(part.ports).toEqual(http && [`127.0.0.1:8081:${http.port}`]);
    // A port that Docker passes on does not come from the loopback of the container.
    if (http) expect(http.host).toBe('0.0.0.0');
  });

  it('should start the studio where it is named, reached from this machine, with what it learns kept', async () => {
    const { command, profiles, ports, volumes, depends_on, environment, healthcheck } = services.studio ?? {};
    const { name, argument, options } = parsed(command ?? []);
    expect([name, profiles, depends_on]).toEqual(['studio', ['studio'], {}]);
    const { http } = stageOf(await loadTopology(argument), 'gateway');
    // A port that Docker passes on does not come from the loopback of the container.
    expect(options.host).toBe('0.0.0.0');
    expect(ports).toEqual([`127.0.0.1:8082:${http.port}`]);
    expect(healthcheck?.test).toEqual([
      ...['CMD', 'node', '-e'],
      expect.stringContaining(`http://127.0.0.1:${http.port}/health`),
    ]);
    expect(volumes).toContain('runs:/tributary/runs');
    expect(environment?.TRIBUTARY_GATEWAY_TOKEN).toMatch(/^\$\{TRIBUTARY_GATEWAY_TOKEN:-\}$/);
  });

  it('should show the run that the trainer writes, where its health check and its port look for it', async () => {
    const { argument, options } = parsed(services.dashboard?.command ?? []);
    const { name } = await loadTopology(parsed(services.trainer?.command ?? []).argument);
    expect(argument).toBe(`runs/${name}`);
    const [, port = ''] =
      /http:\/\/127\.0\.0\.1:(\d+)\/health/.exec(services.dashboard?.healthcheck?.test.at(-1) ?? '') ?? [];
    expect(port).toBe(String(options.port));
    expect(services.dashboard?.ports).toEqual([`127.0.0.1:${port}:${port}`]);
  });

  it('should declare its volumes, and wait for a broker that says when it is there', () => {
    const used = Object.values(services).flatMap((service) =>
      service.volumes.map((one) => one.split(':')[0]),
    );
    expect([...new Set(used)].toSorted()).toEqual(Object.keys(volumes).toSorted());
    for (const [, part] of parts)
      expect(part.depends_on).toEqual({ kafka: { condition: 'service_healthy' } });
    expect(services.kafka?.healthcheck?.test[0]).toBe('CMD');
    expect(services.kafka?.environment.KAFKA_LOG_DIRS).toBe(services.kafka?.volumes[0]?.split(':')[1]);
  });

  it('should run an image that holds what the parts need, under the version of the tests', () => {
    const copied = image.flatMap((line) => /^COPY --from=build \/tributary\/(\S+) /.exec(line)?.[1] ?? []);
    for (const path of copied.filter((one) => one !== 'dist' && one !== 'node_modules'))
      expect([path, existsSync(path)]).toEqual([path, true]);
    expect(copied).toEqual(expect.arrayContaining(['config', 'models', 'dist', 'node_modules']));
    expect(image).toContain('WORKDIR /tributary');
    expect(image).toContain('ENTRYPOINT ["node", "dist/cli/main.js"]');
    const [, version] =
      /<version>(4[\d.]+)<\/version>/.exec(readFileSync('tools/kafka/pom.xml', 'utf8')) ?? [];
    expect(services.kafka?.image).toBe(`apache/kafka:${version}`);
  });
});
