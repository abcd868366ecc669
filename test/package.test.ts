// The package as its users get it: built, packed, unpacked beside its declared dependencies and nothing else, and
// used from there. Nothing is taken from a registry.

import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';

const execute = promisify(execFile);
const project = fileURLToPath(new URL('../', import.meta.url));
const manifestSchema = z.object({
  engines: z.object({ node: z.string() }),
  exports: z.record(z.string(), z.union([z.string(), z.object({ types: z.string(), default: z.string() })])),
  dependencies: z.record(z.string(), z.string()),
});
const manifest = manifestSchema.parse(JSON.parse(await readFile(join(project, 'package.json'), 'utf8')));
const entryPoints = Object.keys(manifest.exports).filter((name) => name !== './package.json');

describe('the packed package', () => {
  let folder: string;
  let user: string;
  let installed: string;

  beforeAll(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), 'rouse-package-')));
    user = join(folder, 'user');
    installed = join(user, 'node_modules', 'rouse');
    await unpack(await pack(folder), installed);
    await linkDependencies(user);
  }, 120_000);

  afterAll(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  test('holds what was built, what npm always adds and the changelog, and nothing else', async () => {
    const files = await filesOf(installed);

    expect(files.filter((file) => !/^dist\/.+\.(?:js|d\.ts)$/.test(file)).sort()).toEqual([
      'CHANGELOG.md',
      'LICENSE',
      ...((await filesOf(project, 1)).includes('README.md') ? ['README.md'] : []),
      'package.json',
    ]);
  });

  test('holds every file that its exports name', async () => {
    const files = await filesOf(installed);
    const named = Object.values(manifest.exports).flatMap((target) => (typeof target === 'string' ? [target] : Object.values(target)));

    expect(files).toEqual(expect.arrayContaining(named.map((path) => path.replace('./', ''))));
  });

  test('depends at run time and in its types only on packages that are installed with it', async () => {
    const built = (await filesOf(join(installed, 'dist'))).map((file) => join(installed, 'dist', file));
    const imported = await Promise.all(built.map(async (file) => ts.preProcessFile(await readFile(file, 'utf8')).importedFiles));
    const packages = imported
      .flat()
      .map(({ fileName }) => /^(?:@[^/]+\/)?[^/]+/.exec(fileName)?.[0] ?? fileName)
      .filter((name) => !name.startsWith('.') && !name.startsWith('node:'));

    expect(Object.keys(manifest.dependencies)).toEqual(expect.arrayContaining([...new Set(packages)]));
  });

  test.each(entryPoints)('gives an ES module the same names at "%s" as the sources export', async (name) => {
    const exported = await evaluate(user, `console.log(JSON.stringify(Object.keys(await import('${specifierOf(name)}')).sort()))`);

    expect(JSON.parse(exported)).toEqual(Object.keys(await import(sourceOf(name))).sort());
    expect(JSON.parse(exported)).not.toEqual([]);
  });

  test('can be loaded by a CommonJS program with require', async () => {
    const script = `import { createRequire } from 'node:module'; const require = createRequire('${user}/main.js');`;

    await expect(evaluate(user, `${script} console.log(typeof require('rouse'))`)).resolves.toBe('object\n');
  });

  test('types a strict program that checks its libraries too', async () => {
    const program = entryPoints.map((name, index) => `export * as entry${index} from '${specifierOf(name)}';`).join('\n');
    await writeFile(join(user, 'main.ts'), program);
    await writeFile(join(user, 'package.json'), '{ "type": "module" }');

    expect(compile(join(user, 'main.ts'), user)).toEqual([]);
  });
});

test('the package says which Node.js it needs', () => {
  expect(manifest.engines.node).toBe('>=20.19');
});

/** Builds into `folder` and packs from there, so that a `dist` of the working tree is neither used nor touched. */
async function pack(folder: string): Promise<string> {
  const content = join(folder, 'content');
  await mkdir(content);
  for (const file of await filesOf(project, 1)) await cp(join(project, file), join(content, file));
  await run(process.execPath, [
    join(project, 'node_modules/typescript/bin/tsc'),
    '-p',
    join(project, 'src'),
    '--outDir',
    join(content, 'dist'),
  ]);
  const { stdout } = await run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder], { cwd: content });
  return join(folder, stdout.trim());
}

/** Runs a program to its end. When it fails, the error says what the program said: compilers do so on stdout. */
async function run(
  program: string,
  args: readonly string[],
  options: { readonly cwd?: string } = {},
): Promise<{ readonly stdout: string }> {
  try {
    return await execute(program, args, options);
  } catch (error) {
    const said = error instanceof Error && 'stdout' in error ? String(error.stdout) : '';
    throw new Error(`${program} ${args.join(' ')} failed.\n${said}`, { cause: error });
  }
}

async function unpack(tarball: string, target: string): Promise<void> {
  await mkdir(target, { recursive: true });
  await run('tar', ['-xzf', tarball, '-C', target, '--strip-components=1']);
}

/** Only what package.json declares for users. What those packages need in turn is found behind the links. */
async function linkDependencies(user: string): Promise<void> {
  for (const name of [...Object.keys(manifest.dependencies), '@types/node']) {
    const link = join(user, 'node_modules', name);
    await mkdir(dirname(link), { recursive: true });
    await symlink(join(project, 'node_modules', name), link, 'junction');
  }
}

async function evaluate(cwd: string, script: string): Promise<string> {
  const { stdout } = await run(process.execPath, ['--input-type=module', '--no-warnings', '--eval', script], { cwd });
  return stdout;
}

/** What the compiler has to say about a program and about this package's declarations, but not about other packages. */
function compile(main: string, user: string): string[] {
  const program = ts.createProgram([main], {
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: false,
    noEmit: true,
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    types: ['node'],
    typeRoots: [join(user, 'node_modules/@types')],
  });
  return program
    .getSourceFiles()
    .filter((file) => file.fileName.startsWith(user))
    .flatMap((file) => ts.getPreEmitDiagnostics(program, file))
    .map((problem) => `${problem.file?.fileName}: ${ts.flattenDiagnosticMessageText(problem.messageText, '\n')}`);
}

/** The files of a folder relative to it, down to `depth` folders. */
async function filesOf(folder: string, depth = Number.POSITIVE_INFINITY): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const files = await Promise.all(
    entries.map(async (entry) => {
      if (entry.isFile()) return [entry.name];
      if (!entry.isDirectory() || depth <= 1) return [];
      return (await filesOf(join(folder, entry.name), depth - 1)).map((file) => `${entry.name}/${file}`);
    }),
  );
  return files.flat();
}

function specifierOf(entryPoint: string): string {
  return entryPoint.replace(/^\./, 'rouse');
}

function sourceOf(entryPoint: string): string {
  return new URL(`../src/${entryPoint === '.' ? 'index' : entryPoint.replace('./', '')}.ts`, import.meta.url).href;
}
