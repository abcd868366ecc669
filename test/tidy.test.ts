// The rules of the code base that a compiler and a linter do not know, checked over the files as they stand. Each
// rule is tested twice: on a text that breaks it, so that we know it can fail, and on the project.

import { describe, expect, test } from 'vitest';
import { defaultExports, unclearErrorCodes } from './tidy/declarations.js';
import { entryPointsOf, forbiddenImports } from './tidy/imports.js';
import { debuggerStops, leftMarkers, machineFolders, machinePaths, markers, unrunTests } from './tidy/leftovers.js';
import { inexactVersions, lockedAddresses, lockHoles, stepsNotInCi } from './tidy/manifest.js';
import { impureCalls } from './tidy/purity.js';
import { fileLinesMax, functionLinesMax, longFiles, longFunctions } from './tidy/sizes.js';
import { parse, parseSources, readProject, type TextFile } from './tidy/tree.js';

const files = readProject();
const sources = parseSources(files);
const handWritten = files.filter((file) => file.path !== 'package-lock.json');
const packageJson = textOf('package.json');
const entryPoints = entryPointsOf(packageJson);

describe('rooms', () => {
  test('every import goes the one way: entry points to actors and adapters, those to the runtime', () => {
    expectNone(sources.flatMap((file) => forbiddenImports(file, entryPoints)));
  });

  test.each([
    ['src/runtime/journal.ts', "import { readFile } from 'node:fs/promises';"],
    ['src/runtime/journal.ts', "import { createActor } from 'xstate';"],
    ['src/runtime/journal.ts', "import { stringify } from 'devalue';"],
    ['src/runtime/journal.ts', "import { Supervisor } from '../actors/supervisor.js';"],
    ['src/runtime/journal.ts', "import { jsonStore } from '../index.js';"],
    ['src/runtime/journal.ts', "import { workflow } from 'rouse';"],
    ['src/runtime/journal.ts', "export { jsonStore } from '../adapters/json/store.js';"],
    ['src/runtime/journal.ts', "import { StandardSchemaV1 } from '@standard-schema/spec';"],
    ['src/runtime/journal.ts', "type Clock = import('../adapters/clock.js').Clock;"],
    ['src/runtime/journal.ts', "const fs = await import('fs');"],
    ['src/runtime/journal.ts', "const fs = require('fs');"],
    ['src/runtime/journal.ts', 'const anything = await import(name);'],
    ['src/runtime/journal.ts', "import '../../test/tidy/tree.js';"],
    ['src/actors/supervisor.ts', "import { setTimeout } from 'node:timers';"],
    ['src/actors/supervisor.ts', "import type { JsonStore } from '../adapters/json/store.js';"],
    ['src/adapters/json/store.ts', "import type { Supervisor } from '../../actors/supervisor.js';"],
    ['src/adapters/json/store.ts', "import { createActor } from 'xstate';"],
    ['src/elsewhere/thing.ts', 'export const thing = 1;'],
    ['src/thing.ts', 'export const thing = 1;'],
  ])('in %s, "%s" is reported', (path, text) => {
    expect(forbiddenImports(parse(path, text), ['src/index.ts'])).toHaveLength(1);
  });

  test.each([
    ['src/runtime/value-codec.ts', "import { stringify } from 'devalue'; import { limits } from './limits.js';"],
    ['src/runtime/journal.ts', "import type { StandardSchemaV1 } from '@standard-schema/spec';"],
    ['src/actors/supervisor.ts', "import { setup } from 'xstate'; import { limits } from '../runtime/limits.js'; import './instance.js';"],
    ['src/adapters/json/store.ts', "import 'node:fs'; import { Low } from 'lowdb'; import 'nanoid'; import '../../runtime/ports.js';"],
    ['src/index.ts', "import './actors/supervisor.js'; import './adapters/json/store.js'; import 'xstate';"],
    ['examples/demo.ts', "import 'anything'; import '../src/index.js';"],
  ])('in %s, "%s" is allowed', (path, text) => {
    expect(forbiddenImports(parse(path, text), ['src/index.ts'])).toEqual([]);
  });

  test('the entry points are the built files that package.json exports', () => {
    expect(entryPointsOf('{"exports":{".":{"types":"./dist/a.d.ts","default":"./dist/a.js"}}}')).toEqual(['src/a.ts']);
    expect(entryPoints).toEqual(expect.arrayContaining(['src/index.ts', 'src/testing.ts']));
  });
});

describe('sizes', () => {
  test(`no file has more than ${fileLinesMax} lines`, () => {
    expectNone(sources.flatMap(longFiles));
  });

  test('a file is reported at one line too many', () => {
    expect(longFiles(parse('src/a.ts', ';\n'.repeat(fileLinesMax)))).toEqual([]);
    expect(longFiles(parse('src/a.ts', ';\n'.repeat(fileLinesMax + 1)))).toHaveLength(1);
  });

  test(`no function has more than ${functionLinesMax} lines`, () => {
    expectNone(sources.flatMap(longFunctions));
  });

  test.each([
    ['function f() {', '}'],
    ['const f = function* () {', '};'],
    ['const f = () => {', '};'],
    ['class A { f() {', '}}'],
    ['class A { constructor() {', '}}'],
    ["test('...', () => {", '});'],
  ])('the function "%s" is reported at one line too many', (head, foot) => {
    const linesAround = 2;
    const withBody = (lines: number) => parse('test/a.test.ts', [head, ...Array<string>(lines - linesAround).fill(';'), foot].join('\n'));

    expect(longFunctions(withBody(functionLinesMax))).toEqual([]);
    expect(longFunctions(withBody(functionLinesMax + 1))).toHaveLength(1);
  });

  test('only the callback of a describe in a test may be longer', () => {
    const long = `${';\n'.repeat(functionLinesMax)}});`;

    expect(longFunctions(parse('test/a.test.ts', `describe('...', () => {\n${long}`))).toEqual([]);
    expect(longFunctions(parse('test/a.test.ts', `describe.each(stores)('...', () => {\n${long}`))).toEqual([]);
    expect(longFunctions(parse('src/a.ts', `describe('...', () => {\n${long}`))).toHaveLength(1);
  });
});

describe('leftovers', () => {
  test('no marker of unfinished work is left', () => {
    expectNone(handWritten.flatMap(leftMarkers));
  });

  test.each(markers)('the marker %s is reported with its line', (marker) => {
    expect(leftMarkers({ path: 'a.md', text: `fine\nwell, ${marker}: later` })).toEqual([expect.stringContaining('a.md:2')]);
  });

  test('no file names a folder of the machine it was written on', () => {
    expectNone(handWritten.flatMap(machinePaths));
  });

  test.each(machineFolders)('a path below %s is reported', (folder) => {
    expect(machinePaths({ path: 'a.md', text: `see ${folder}notes.md` })).toHaveLength(1);
    expect(machinePaths({ path: 'a.md', text: `"${folder}notes.md"` })).toHaveLength(1);
    expect(machinePaths({ path: 'a.md', text: `see src${folder}notes.md and ..${folder}notes.md` })).toEqual([]);
  });

  test('nothing stops for a debugger', () => {
    expectNone(sources.flatMap(debuggerStops));
  });

  test('a stop for a debugger is reported, the word is not', () => {
    expect(debuggerStops(parse('src/a.ts', "// the debugger\nif (wrong) debugger;\nlog('debugger;');"))).toEqual([
      expect.stringContaining('src/a.ts:2'),
    ]);
  });

  test('every test runs, or says why it does not', () => {
    expectNone(sources.flatMap(unrunTests));
  });

  test.each([
    "test.only('...', () => {});",
    "describe.only.each(cases)('...', () => {});",
    "test.skip('...', () => {});",
    "describe.skip.each(cases)('...', () => {});",
    "test('...', { only: true }, () => {});",
    "test('...', { skip: true }, () => {});",
    "test('...', ({ skip }) => {}); context.skip();",
    "test.todo('...');",
  ])('%s is reported', (text) => {
    expect(unrunTests(parse('test/a.test.ts', text))).toHaveLength(1);
  });

  test.each([
    "context.skip('needs root');",
    "context.skip(!isRoot, 'needs root');",
    "// skipped: needs root\ntest.skip('...', () => {});",
    "test.skip('...', () => {}); // skipped: needs root",
    "test('...', { skip: false }, () => {});",
  ])('%s is allowed', (text) => {
    expect(unrunTests(parse('test/a.test.ts', text))).toEqual([]);
  });
});

describe('purity', () => {
  test('runtime and actors take time and randomness from ports', () => {
    expectNone(sources.flatMap(impureCalls));
  });

  test.each([
    'const at = Date.now();',
    'const read = Date.now;',
    'const at = new Date();',
    'const at = Date();',
    'const dice = Math.random();',
    'setTimeout(wake, 1);',
    'globalThis.setTimeout(wake, 1);',
    'const timers = { setTimeout };',
    'const timers = { later: setTimeout };',
    'setInterval(wake, 1);',
    'const id = crypto.randomUUID();',
    'const id = globalThis.crypto.randomUUID();',
  ])('%s is reported in runtime and actors, and nowhere else', (text) => {
    expect(impureCalls(parse('src/runtime/a.ts', text))).toHaveLength(1);
    expect(impureCalls(parse('src/actors/a.ts', text))).toHaveLength(1);
    expect(impureCalls(parse('src/adapters/a.ts', text))).toEqual([]);
  });

  test.each([
    'const at = new Date(dueAt);',
    'clock.setTimeout(wake, 1);',
    'const clock = { setTimeout: (wake: () => void) => port.at(wake) };',
    'interface Clock { setTimeout(wake: () => void): number }',
    'let timer: ReturnType<typeof setTimeout>;',
  ])('%s is allowed', (text) => {
    expect(impureCalls(parse('src/actors/a.ts', text))).toEqual([]);
  });
});

describe('declarations', () => {
  test('src has no default export', () => {
    expectNone(sources.flatMap(defaultExports));
  });

  test.each(['export default 1;', 'export default function f() {}', 'export { f as default };', "export { default } from './b.js';"])(
    '%s is reported in src, and nowhere else',
    (text) => {
      expect(defaultExports(parse('src/a.ts', text))).toHaveLength(1);
      expect(defaultExports(parse('vitest.config.ts', text))).toEqual([]);
    },
  );

  test('every error class has a code that no other has', () => {
    expectNone(unclearErrorCodes(sources));
  });

  test('a code that two classes share, and a class without one, are reported', () => {
    const first = parse('src/a.ts', "abstract class Base extends Error { abstract code: string }\nclass A extends Base { code = 'A' }");
    const same = parse('src/b.ts', "class B extends RouseError { readonly code = 'A' as const }");
    const none = parse('src/c.ts', 'class C extends RouseError {}');

    expect(unclearErrorCodes([first])).toEqual([]);
    expect(unclearErrorCodes([first, same])).toEqual(['src/b.ts:1 B has the code of A: A']);
    expect(unclearErrorCodes([none])).toEqual(['src/c.ts:1 C has no string code of its own']);
  });
});

describe('manifest', () => {
  test('package.json pins every dependency to one version', () => {
    expectNone(inexactVersions(packageJson));
  });

  test.each(['^1.2.3', '~1.2.3', '>=1.2.3', '1.x', 'latest', '*', 'github:a/b', 'file:../b'])('the version %s is reported', (version) => {
    expect(inexactVersions(JSON.stringify({ devDependencies: { fine: '1.2.3', finer: '1.2.3-beta.1', b: version } }))).toHaveLength(1);
  });

  test('package-lock.json names no download address', () => {
    expectNone(lockedAddresses(textOf('package-lock.json')));
  });

  test('a download address in the lock file is reported', () => {
    const lock = { packages: { '': {}, 'node_modules/a': { version: '1.0.0', resolved: 'https://registry.example/a.tgz' } } };

    expect(lockedAddresses(JSON.stringify(lock))).toEqual(['package-lock.json takes node_modules/a from https://registry.example/a.tgz']);
  });

  test('package-lock.json has an entry for every optional package, whatever the platform', () => {
    expectNone(lockHoles(textOf('package-lock.json')));
  });

  test('a missing entry in the lock file is reported', () => {
    const lock = { packages: { 'node_modules/a': { optionalDependencies: { b: '1.0.0', c: '1.0.0' } }, 'node_modules/b': {} } };

    expect(lockHoles(JSON.stringify(lock))).toEqual(['package-lock.json has no entry for c, which node_modules/a names']);
  });

  test('continuous integration runs every step of npm run check', () => {
    expectNone(stepsNotInCi(packageJson, textOf('.ci/run')));
  });

  test('a step that continuous integration leaves out is reported', () => {
    const check = JSON.stringify({ scripts: { check: 'npm run lint && npm test && npm run size' } });

    expect(stepsNotInCi(check, 'npm test\nnpm run lint')).toEqual(['.ci/run does not run size']);
  });
});

function expectNone(offenders: readonly string[]): void {
  expect(offenders, `\n${offenders.join('\n')}\n`).toEqual([]);
}

function textOf(path: string): string {
  const file: TextFile | undefined = files.find((candidate) => candidate.path === path);
  if (file === undefined) throw new Error(`The project has no ${path}.`);
  return file.text;
}
