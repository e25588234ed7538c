/** The values of a run's diagnostics by epoch. */
export interface DiagnosticColumns {
  epoch: number[];
  step: number[];
  /** For each name, one value an epoch: a number, a text, or a list with one value a layer. */
  values: Record<string, unknown[]>;
}

export type Diagnostics = Record<string, DiagnosticColumns>;

export type DiagnosticRow = Record<string, unknown> & { name: string; epoch: number; step: number };

/** The columns of each diagnostic as `GET /v1/runs/{id}/metrics` answers them. */
export type DiagnosticAnswer = Record<
  string,
  { epoch: number[]; step: number[] } & Record<string, unknown[]>
>;

export function readDiagnostics(answer: DiagnosticAnswer): Diagnostics {
  const entries = Object.entries(answer).map(([name, { epoch, step, ...values }]) => [
    name,
    { epoch, step, values },
  ]);
  return Object.fromEntries(entries) as Diagnostics;
}

/** Adds the values of an epoch. Returns whether they were new. */
export function addDiagnostic(diagnostics: Diagnostics, row: DiagnosticRow): boolean {
  const { name, epoch, step, ...values } = row;
  const columns = diagnostics[name] ?? { epoch: [], step: [], values: {} };
  diagnostics[name] = columns;
  if (epoch <= (columns.epoch.at(-1) ?? 0)) return false;
  for (const each of new Set([...Object.keys(columns.values), ...Object.keys(values)])) {
    const column = columns.values[each] ?? new Array<unknown>(columns.epoch.length).fill(null);
    column.push(values[each] ?? null);
    columns.values[each] = column;
  }
  columns.epoch.push(epoch);
  columns.step.push(step);
  return true;
}

/** Joins loaded diagnostics with what events have added since. */
export function mergeDiagnostics(loaded: Diagnostics, present: Diagnostics): Diagnostics {
  const merged = structuredClone(loaded);
  for (const [name, { epoch, step, values }] of Object.entries(present)) {
    for (const [index, each] of epoch.entries()) {
      const row = Object.fromEntries(Object.entries(values).map(([key, column]) => [key, column[index]]));
      addDiagnostic(merged, { ...row, name, epoch: each, step: step[index] ?? 0 });
    }
  }
  return merged;
}
