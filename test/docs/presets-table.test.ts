import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadTopology } from '../../src/streams/config/load-topology.js';
import { savedForm } from '../../src/streams/directory/saved-config.js';

const PAGE = 'docs/algorithms/b2-diffurl.md';
const RELEASED_COLUMN = 2;
const FIRST_PRESET_COLUMN = 3;

/** Cells of the table whose header names the presets; the header row first. */
function presetRows(): string[][] {
  const rows = readFileSync(PAGE, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) => line.split('|').slice(1, -1))
    .map((cells) => cells.map((cell) => cell.trim()));
  const header = rows.findIndex((cells) => cells[FIRST_PRESET_COLUMN]?.startsWith('shapes-'));
  const end = rows.findIndex((cells, index) => index > header && cells.length !== rows[header]?.length);
  return rows.slice(header, end).filter((cells) => !cells[0]?.startsWith('---'));
}

const [header = [], ...settings] = presetRows();

/** What a preset says at `<stage type>.<field>`, or at a path of its own such as `model.pipeline`. */
function valueAt(config: Awaited<ReturnType<typeof loadTopology>>, key: string): unknown {
  const [first = '', ...rest] = key.replaceAll('`', '').split('.');
  const stage: unknown = Object.values(config.stages).find(({ type }) => type === first);
  const start = stage ?? (config as unknown as Record<string, unknown>)[first];
  return rest.reduce<unknown>((value, part) => (value as Record<string, unknown>)[part], start);
}

describe(PAGE, () => {
  it('should set presets beside the released script', () => {
    expect(header.slice(FIRST_PRESET_COLUMN)).toEqual([
      'shapes-b2-release',
      'shapes-b2-branch',
      'shapes-ddpo',
    ]);
    expect(settings.length).toBeGreaterThan(20);
  });

  it.each(header.slice(FIRST_PRESET_COLUMN).map((name, index) => [name, index] as const))(
    'should say what %s says',
    async (name, index) => {
      const config = savedForm(await loadTopology(`config/${name}.yaml`));
      const written = settings.map((cells) => [cells[1], cells[FIRST_PRESET_COLUMN + index]]);
      const actual = settings.map(([, key = '']) => [key, String(valueAt(config, key) ?? '-')]);
      expect(written).toEqual(actual);
    },
  );

  it('should say of the released script what sd15-b2-release says, but for the model', async () => {
    const config = await loadTopology('config/sd15-b2-release.yaml');
    const rows = settings
      .map((cells) => ({ key: cells[1] ?? '', released: cells[RELEASED_COLUMN] ?? '-' }))
      // The script's thresholds say which branches are kept: the rule has no such field.
      .filter(({ key, released }) => released !== '-' && !/pipeline|keep/.test(key));
    expect(rows.length).toBeGreaterThan(20);
    const actual = rows.map(({ key }) => [key, String(valueAt(config, key))]);
    expect(actual).toEqual(rows.map(({ key, released }) => [key, released.split(' ')[0]]));
  });
});
