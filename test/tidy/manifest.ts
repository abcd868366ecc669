// package.json and its lock: what is installed is exactly what was tested, and from whichever registry the
// installing machine uses.

import { z } from 'zod';

const versions = z.record(z.string(), z.string()).default({});
const packageSchema = z.object({
  dependencies: versions,
  devDependencies: versions,
  optionalDependencies: versions,
  scripts: versions,
});
const lockSchema = z.object({ packages: z.record(z.string(), z.looseObject({ optionalDependencies: versions })) });

const exact = /^\d+\.\d+\.\d+(?:-[\w.-]+)?$/;

/** Dependencies whose version is a range, a tag or an address. */
export function inexactVersions(packageJson: string): string[] {
  const { dependencies, devDependencies, optionalDependencies } = packageSchema.parse(JSON.parse(packageJson));
  return Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies })
    .filter(([, version]) => !exact.test(version))
    .map(([name, version]) => `package.json pins ${name} to ${version}, which is not one version`);
}

/** Packages that the lock file takes from one address. */
export function lockedAddresses(lockJson: string): string[] {
  return Object.entries(lockSchema.parse(JSON.parse(lockJson)).packages)
    .filter(([, entry]) => 'resolved' in entry)
    .map(([name, entry]) => `package-lock.json takes ${name} from ${String(entry.resolved)}`);
}

/**
 * Optional packages without an entry of their own. npm leaves them out when a registry did not offer them, and
 * `npm ci` then refuses the lock file on every machine.
 */
export function lockHoles(lockJson: string): string[] {
  const { packages } = lockSchema.parse(JSON.parse(lockJson));
  return Object.entries(packages).flatMap(([name, entry]) =>
    Object.keys(entry.optionalDependencies)
      .filter((optional) => !(`node_modules/${optional}` in packages || `${name}/node_modules/${optional}` in packages))
      .map((optional) => `package-lock.json has no entry for ${optional}, which ${name} names`),
  );
}

/** Steps of `npm run check` that the continuous integration script does not run. */
export function stepsNotInCi(packageJson: string, ciScript: string): string[] {
  const check = packageSchema.parse(JSON.parse(packageJson)).scripts.check ?? '';
  const steps = [...check.matchAll(/npm (?:run )?([\w:]+)/g)].map((match) => match[1] ?? '');
  const words = new Set(ciScript.match(/[\w:]+/g) ?? []);
  return steps.filter((step) => !words.has(step)).map((step) => `.ci/run does not run ${step}`);
}
