// Compiles the sources and the benchmarks into a folder of their own, with the options of the published build: what is
// measured is what users run, without a loader that compiles as it goes.

import { spawnSync } from 'node:child_process';
import { symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Builds into an existing, empty folder, and gives the path of the compiled entry. Types are checked elsewhere. */
export function build(folder: string): string {
  const config = {
    extends: join(root, 'tsconfig.json'),
    compilerOptions: {
      rootDir: root,
      outDir: folder,
      noEmit: false,
      noCheck: true,
      inlineSourceMap: true,
      paths: {},
      typeRoots: [join(root, 'node_modules/@types')],
    },
    include: [join(root, 'src'), join(root, 'test/bench')],
  };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'), 'junction');
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  const { status, stdout, stderr } = spawnSync(process.execPath, [compiler, '-p', folder], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`The sources do not compile:\n${stdout}${stderr}`);
  return join(folder, 'test/bench/run.js');
}
