import { expect, test } from "vitest";
import { epochPositions, stepPositions } from "./positions";

const EPOCHS = { epoch: [1, 2], step: [10, 20], seconds: [4, 2] };
const STEPS = { step: [5, 10, 15, 25], epoch: [1, 1, 2, 3] };

test("epochs lie at their number, at their last step, or at the seconds until their end", () => {
  expect(epochPositions("epoch", EPOCHS)).toEqual([1, 2]);
  expect(epochPositions("step", EPOCHS)).toEqual([10, 20]);
  expect(epochPositions("elapsed", EPOCHS)).toEqual([4, 6]);
});

test("steps lie between their epochs, also in seconds", () => {
  expect(stepPositions("step", STEPS, EPOCHS, 10)).toEqual([5, 10, 15, 25]);
  expect(stepPositions("epoch", STEPS, EPOCHS, 10)).toEqual([0.5, 1, 1.5, 2.5]);
  expect(stepPositions("elapsed", STEPS, EPOCHS, 10)).toEqual([2, 4, 5, 7]);
});

test("steps before the end of the first epoch have a position too", () => {
  expect(stepPositions("elapsed", { step: [1, 2] }, {}, 10)).toEqual([0.1, 0.2]);
});

test("100,000 epochs lie at the time elapsed until the end of each", () => {
  const epoch = Array.from({ length: 100_000 }, (_, index) => index + 1);
  const positions = epochPositions("elapsed", { epoch, seconds: epoch.map(() => 2) });
  expect([positions.length, positions[76_543], positions.at(-1)]).toEqual([100_000, 153_088, 200_000]);
});
