// The two ways in which an instance can sleep. Whatever holds for one in memory must hold for one that has left it.

export const residencies = [
  { where: 'in memory', options: {} },
  { where: 'passivated at once', options: { maxResident: 0 } },
] as const;
