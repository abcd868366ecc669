// The documents say what the code does: the quickstart runs, every error is in the table, every promise has its test.

import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (file: string) => readFile(join(root, file), 'utf8');

test('the quickstart of the README runs as it stands, in about 25 lines', async () => {
  const code = /## Quickstart[\s\S]*?```ts\n([\s\S]*?)```/.exec(await read('README.md'))?.[1] ?? '';
  const directory = await mkdtemp(join(tmpdir(), 'rouse-quickstart-'));
  const file = join(directory, 'quickstart.mts');
  await writeFile(
    file,
    code.replaceAll("from 'rouse'", `from '${join(root, 'src/index.ts')}'`).replaceAll("'./data'", `'${join(directory, 'data')}'`),
  );

  const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', file], { cwd: root });

  expect(stdout.trim().split('\n').at(-1)).toBe('Ada: approved by Grace');
  expect(code.trim().split('\n').length).toBeLessThanOrEqual(26);
  await rm(directory, { recursive: true });
});

test('every error class is in the error table of DESIGN.md, with its code, and nothing else is', async () => {
  const files = ['errors', 'workflow-errors', 'instance-errors', 'store-errors'];
  const sources = await Promise.all(files.map((file) => read(`src/runtime/${file}.ts`)));
  const classes = [...sources.join('\n').matchAll(/^export class (\w+) extends [\s\S]*?readonly code(?:: string)? = '([A-Z_]+)'/gm)];

  const table = [...(await read('DESIGN.md')).matchAll(/^\| `([A-Z_]+)` \| `(\w+)` \|/gm)];

  expect(classes.length).toBeGreaterThan(40);
  expect(table.map(([, code, name]) => `${code} ${name}`).sort()).toEqual(classes.map(([, name, code]) => `${code} ${name}`).sort());
});

test('every promise of DESIGN.md has a test that is named after it', async () => {
  const promises = [...(await read('DESIGN.md')).matchAll(/^- \*\*(G\d+)\*\*/gm)].map(([, name]) => name);
  const files = (await readdir(join(root, 'test'), { recursive: true })).filter((file) => file.endsWith('.test.ts'));
  const tests = (await Promise.all(files.map((file) => read(join('test', file))))).join('\n');

  const missing = promises.filter((name) => !new RegExp(`['"\`]${name}: `).test(tests));

  expect(promises).toHaveLength(15);
  expect(missing).toEqual([]);
});

test('every word of DESIGN.md that names a file names one that is there', async () => {
  const named = [...(await read('DESIGN.md')).matchAll(/`((?:runtime|actors|adapters)\/[\w/-]+\.ts)`/g)].map(([, file]) => `src/${file}`);

  const missing = (
    await Promise.all(
      named.map((file) =>
        read(file).then(
          () => null,
          () => file,
        ),
      ),
    )
  ).filter((file) => file !== null);

  expect(named.length).toBeGreaterThan(10);
  expect(missing).toEqual([]);
});
