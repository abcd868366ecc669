// Makes plain JavaScript of a program that is killed: it is started so often that a loader which compiles as it goes
// would take most of the test's time, and of the lives that are cut short.

import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = fileURLToPath(new URL('../..', import.meta.url));
const compilerOptions = { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true };
/** What was compiled once, by path: most of it is the same for each program. */
const compiled = new Map<string, string>();

/** Builds a program and what it may import, all of src and its own folder, into an empty folder. Gives the program's path there. */
export function build(folder: string, program: URL): string {
  const path = relative(root, fileURLToPath(program));
  for (const room of ['src', dirname(path)]) {
    for (const name of readdirSync(join(root, room), { recursive: true, encoding: 'utf8' })) {
      if (name.endsWith('.ts')) buildFile(folder, join(room, name));
    }
  }
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'), 'junction');
  return join(folder, toJs(path));
}

function buildFile(folder: string, path: string): void {
  const target = join(folder, toJs(path));
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, compile(path));
}

function compile(path: string): string {
  const known = compiled.get(path);
  if (known !== undefined) return known;
  const { outputText } = ts.transpileModule(readFileSync(join(root, path), 'utf8'), { compilerOptions });
  compiled.set(path, outputText);
  return outputText;
}

function toJs(path: string): string {
  return path.replace(/ts$/, 'js');
}
