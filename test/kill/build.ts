// Makes plain JavaScript of the program that is killed: it is started so often that a loader which compiles as it goes
// would take most of the test's time, and of the lives that are cut short.

import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = fileURLToPath(new URL('../..', import.meta.url));
const program = fileURLToPath(new URL('./child.ts', import.meta.url));
const compilerOptions = { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true };

/** Builds into an existing, empty folder, and gives the path of the program. */
export function build(folder: string): string {
  for (const room of ['src', 'test/kill']) {
    for (const name of readdirSync(join(root, room), { recursive: true, encoding: 'utf8' })) {
      if (name.endsWith('.ts')) buildFile(folder, join(room, name));
    }
  }
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'), 'junction');
  return join(folder, toJs(relative(root, program)));
}

function buildFile(folder: string, path: string): void {
  const { outputText } = ts.transpileModule(readFileSync(join(root, path), 'utf8'), { compilerOptions });
  const target = join(folder, toJs(path));
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, outputText);
}

function toJs(path: string): string {
  return path.replace(/ts$/, 'js');
}
