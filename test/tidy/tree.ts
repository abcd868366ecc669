// Reads the project's own files for the tidy test. It knows nothing about rules.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

/** A file of the project; `path` is relative to its root, with forward slashes. */
export interface TextFile {
  readonly path: string;
  readonly text: string;
}

export interface SourceFile extends TextFile {
  readonly tree: ts.SourceFile;
}

const root = fileURLToPath(new URL('../../', import.meta.url));
const foldersIgnored = new Set(['.git', '.rouse', 'coverage', 'dist', 'node_modules']);
const textFile = /(?:\.(?:cjs|css|html|js|json|jsonc|md|mjs|sh|ts|txt|yaml|yml)|^[^.]+|^\.[^.]+)$/;

/** Every text file of the project, but not what is installed, built or left behind by a run. */
export function readProject(): TextFile[] {
  return listFiles('')
    .filter((path) => textFile.test(path.slice(path.lastIndexOf('/') + 1)))
    .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));
}

/** The files that TypeScript compiles, parsed. */
export function parseSources(files: readonly TextFile[]): SourceFile[] {
  return files.filter((file) => file.path.endsWith('.ts')).map((file) => parse(file.path, file.text));
}

export function parse(path: string, text: string): SourceFile {
  return { path, text, tree: ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true, ts.ScriptKind.TS) };
}

/** All nodes of a file, parents before their children. */
export function* nodesOf(node: ts.Node): Generator<ts.Node, void> {
  yield node;
  const children: ts.Node[] = [];
  ts.forEachChild(node, (child) => void children.push(child));
  for (const child of children) yield* nodesOf(child);
}

/** `path:line` of a node, as editors and terminals understand it. */
export function placeOf(file: SourceFile, node: ts.Node): string {
  return `${file.path}:${lineAt(file, node.getStart(file.tree))}`;
}

export function lineAt(file: SourceFile, position: number): number {
  return file.tree.getLineAndCharacterOfPosition(position).line + 1;
}

function listFiles(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory()) return foldersIgnored.has(entry.name) ? [] : listFiles(path);
    return entry.isFile() ? [path] : [];
  });
}
