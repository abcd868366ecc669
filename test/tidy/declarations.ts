// How src declares things: named exports only, and an error code that belongs to one class.

import ts from 'typescript';
import { nodesOf, placeOf, type SourceFile } from './tree.js';

/** Default exports in src. */
export function defaultExports(file: SourceFile): string[] {
  if (!file.path.startsWith('src/')) return [];
  return [...nodesOf(file.tree)].filter(isDefaultExport).map((node) => `${placeOf(file, node)} exports a default`);
}

/**
 * Error classes without a code of their own, and codes that two classes share. A class is an error when its
 * ancestors lead to a name that ends in Error, through whatever files they stand in.
 */
export function unclearErrorCodes(files: readonly SourceFile[]): string[] {
  const classes = files.flatMap(classesOf);
  const parents = new Map(classes.map(({ name, parent }) => [name, parent]));
  const owners = new Map<string, string>();
  const problems: string[] = [];
  for (const { name, place, code } of classes.filter((found) => !found.isAbstract && isError(found.parent, parents))) {
    const owner = code === undefined ? undefined : owners.get(code);
    if (code === undefined) problems.push(`${place} ${name} has no string code of its own`);
    else if (owner !== undefined) problems.push(`${place} ${name} has the code of ${owner}: ${code}`);
    else owners.set(code, name);
  }
  return problems;
}

function isDefaultExport(node: ts.Node): boolean {
  if (ts.isExportAssignment(node)) return true;
  if (ts.isExportSpecifier(node)) return node.name.text === 'default';
  return hasModifier(node, ts.SyntaxKind.DefaultKeyword);
}

function hasModifier(node: ts.Node, kind: ts.SyntaxKind): boolean {
  return ts.canHaveModifiers(node) && (ts.getModifiers(node) ?? []).some((modifier) => modifier.kind === kind);
}

interface ClassFound {
  readonly name: string;
  readonly parent: string | undefined;
  readonly isAbstract: boolean;
  readonly place: string;
  readonly code: string | undefined;
}

function classesOf(file: SourceFile): ClassFound[] {
  if (!file.path.startsWith('src/')) return [];
  return [...nodesOf(file.tree)].filter(ts.isClassLike).map((node) => ({
    name: node.name?.text ?? 'a class',
    parent: node.heritageClauses?.find((clause) => clause.token === ts.SyntaxKind.ExtendsKeyword)?.types[0]?.expression.getText(),
    isAbstract: hasModifier(node, ts.SyntaxKind.AbstractKeyword),
    place: placeOf(file, node),
    code: codeOf(node),
  }));
}

function isError(parent: string | undefined, parents: ReadonlyMap<string, string | undefined>): boolean {
  if (parent === undefined) return false;
  return parent.endsWith('Error') || (parents.get(parent) !== parent && isError(parents.get(parent), parents));
}

function codeOf(node: ts.ClassLikeDeclaration): string | undefined {
  const property = node.members.filter(ts.isPropertyDeclaration).find((member) => member.name.getText() === 'code');
  const value = property?.initializer;
  const literal = value !== undefined && (ts.isAsExpression(value) || ts.isSatisfiesExpression(value)) ? value.expression : value;
  return literal !== undefined && ts.isStringLiteralLike(literal) ? literal.text : undefined;
}
