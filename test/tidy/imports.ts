// The one-way rule between the rooms of src: actors and adapters know the runtime and not each other, the runtime
// knows nobody, and only the package's entry points, directly under src, may wire them together.

import { posix } from 'node:path';
import ts from 'typescript';
import { nodesOf, placeOf, type SourceFile } from './tree.js';

interface Import {
  readonly from: string;
  readonly typeOnly: boolean;
  readonly node: ts.Node;
}

interface Room {
  readonly rooms: readonly string[];
  readonly allowsPackage: (name: string, place: { readonly path: string; readonly typeOnly: boolean }) => boolean;
}

/** Types alone, erased by the compiler: they bring no behaviour into a room. */
const typePackages = ['@standard-schema/spec'];

const rooms: Readonly<Record<string, Room>> = {
  runtime: {
    rooms: ['runtime'],
    allowsPackage: (name, { path, typeOnly }) =>
      (name === 'devalue' && posix.basename(path).includes('codec')) || (typeOnly && typePackages.includes(name)),
  },
  actors: {
    rooms: ['runtime', 'actors'],
    allowsPackage: (name, { typeOnly }) => name === 'xstate' || (typeOnly && typePackages.includes(name)),
  },
  adapters: {
    rooms: ['runtime', 'adapters'],
    allowsPackage: (name, { typeOnly }) =>
      name.startsWith('node:') || ['lowdb', 'nanoid'].includes(name) || (typeOnly && typePackages.includes(name)),
  },
};

/** Imports of `file` that its room may not have. Files outside src may import anything. */
export function forbiddenImports(file: SourceFile, entryPoints: readonly string[]): string[] {
  if (!file.path.startsWith('src/') || entryPoints.includes(file.path)) return [];
  const roomName = roomOf(file.path);
  const room = rooms[roomName];
  if (room === undefined)
    return [`${file.path} is neither in a room (${Object.keys(rooms).join(', ')}) nor an entry point of package.json`];
  return importsOf(file)
    .filter((found) => !isAllowed(found, file.path, room))
    .map((found) => `${placeOf(file, found.node)} src/${roomName} may not import ${found.from}`);
}

/** The source files behind the `exports` of package.json: they wire the rooms. */
export function entryPointsOf(packageJson: string): string[] {
  const built = /"\.\/dist\/([^"]+)\.js"/g;
  return [...packageJson.matchAll(built)].map((match) => `src/${match[1]}.ts`);
}

function isAllowed(found: Import, path: string, room: Room): boolean {
  if (found.from.startsWith('.')) {
    const target = posix.normalize(posix.join(posix.dirname(path), found.from));
    return target.startsWith('src/') && room.rooms.includes(roomOf(target));
  }
  return room.allowsPackage(packageOf(found.from), { path, typeOnly: found.typeOnly });
}

function roomOf(path: string): string {
  const [, room, rest] = path.split('/');
  return rest === undefined ? '' : (room ?? '');
}

function packageOf(specifier: string): string {
  if (specifier.startsWith('node:')) return specifier;
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

function importsOf(file: SourceFile): Import[] {
  return [...nodesOf(file.tree)].flatMap((node) => toImport(node) ?? []);
}

function toImport(node: ts.Node): Import | undefined {
  if (ts.isImportDeclaration(node)) return toFound(node, node.moduleSpecifier, isTypeOnlyImport(node));
  if (ts.isExportDeclaration(node) && node.moduleSpecifier !== undefined) return toFound(node, node.moduleSpecifier, node.isTypeOnly);
  if (ts.isExternalModuleReference(node)) return toFound(node, node.expression, false);
  if (ts.isImportTypeNode(node)) return toFound(node, ts.isLiteralTypeNode(node.argument) ? node.argument.literal : node.argument, true);
  if (ts.isCallExpression(node) && isLoadCall(node)) return toFound(node, node.arguments[0] ?? node, false);
  return undefined;
}

/** A specifier that is computed cannot be checked, so it is reported as what stands there. */
function toFound(node: ts.Node, specifier: ts.Node, typeOnly: boolean): Import {
  return { node, typeOnly, from: ts.isStringLiteralLike(specifier) ? specifier.text : specifier.getText() };
}

function isTypeOnlyImport(node: ts.ImportDeclaration): boolean {
  return node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword;
}

function isLoadCall(node: ts.CallExpression): boolean {
  if (node.expression.kind === ts.SyntaxKind.ImportKeyword) return true;
  return ts.isIdentifier(node.expression) && node.expression.text === 'require';
}
