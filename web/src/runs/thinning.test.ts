import { expect, test } from "vitest";
import { thinColumns } from "./thinning";

test("a thinned series keeps its ends and its peaks, and says less", () => {
  const loss = Array.from({ length: 10_000 }, (_, index) =>
    index === 4321 ? 99 : index === 777 ? -99 : Math.sin(index),
  );
  const step = loss.map((_, index) => index + 1);
  const thin = thinColumns({ step, loss }, "step", 1000);
  expect(thin.step?.length).toBeLessThanOrEqual(1000);
  expect(thin.step?.[0]).toBe(1);
  expect(thin.step?.at(-1)).toBe(10_000);
  expect(thin.loss).toContain(99);
  expect(thin.loss).toContain(-99);
  expect(thin.step).toEqual([...(thin.step ?? [])].sort((a, b) => (a ?? 0) - (b ?? 0)));
});

test("a series of gaps alone is thinned too", () => {
  expect(thinColumns({ step: [1, 2, 3], loss: [null, null, null] }, "step", 2)).toEqual({
    step: [1, 3],
    loss: [null, null],
  });
});
