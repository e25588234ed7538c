/** What two factors of a factorial do together. */

interface Arm {
  name: string;
  levels?: readonly boolean[];
}
interface Measured {
  name: string;
  mean?: number | null;
}

/** Returns all pairs of so many factors. */
export function pairsOf(factors: number): (readonly [number, number])[] {
  return Array.from({ length: factors }, (_, first) =>
    Array.from({ length: factors - first - 1 }, (_, offset) => [first, first + offset + 1] as const),
  ).flat();
}

/**
 * Returns, for the second factor off and on, the mean with the first off and on, over all arms with these levels; null
 * where an arm has no value yet.
 */
export function meansOf(
  arms: readonly Arm[],
  measured: readonly Measured[],
  [first, second]: readonly [number, number],
): (number | null)[][] {
  const means = new Map(measured.map((arm) => [arm.name, arm.mean]));
  const mean = (ofFirst: boolean, ofSecond: boolean) => {
    const values = arms
      .filter(({ levels }) => levels?.[first] === ofFirst && levels[second] === ofSecond)
      .map(({ name }) => means.get(name));
    const found = values.filter((value) => typeof value === "number");
    if (found.length === 0 || found.length < values.length) return null;
    return found.reduce((sum, value) => sum + value, 0) / found.length;
  };
  return [false, true].map((ofSecond) => [mean(false, ofSecond), mean(true, ofSecond)]);
}
