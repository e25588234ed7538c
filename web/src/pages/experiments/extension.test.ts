import { expect, test } from "vitest";
import { asExtension, fieldOf } from "./extension";

const EMPTY = { seeds: 0, name: "", patch: "", axes: {} };

test("an extension has what is filled in, and nothing is posted while it is empty", () => {
  expect(asExtension({ seeds: [0, 1] }, EMPTY)).toEqual({ body: null, problems: [] });
  const filled = { seeds: 2, name: " wet ", patch: '{"dropout": 0.5}', axes: {} };
  expect(asExtension({ seeds: [0, 1] }, filled).body).toEqual({
    seeds: [2, 3],
    variants: { wet: { dropout: 0.5 } },
  });
  expect(
    asExtension({ seeds: [0] }, { ...EMPTY, axes: { "/norm": "layer_norm", "/dropout": " " } }).body,
  ).toEqual({
    axes: { "/norm": ["layer_norm"] },
  });
});

test("an arm needs a name and an object", () => {
  const problems = (name: string, patch: string) =>
    asExtension({ seeds: [0] }, { ...EMPTY, seeds: 1, name, patch }).problems.map((each) =>
      fieldOf(each.pointer),
    );
  expect(problems("", "{}")).toEqual(["name"]);
  expect(problems("wet", "dropout")).toEqual(["patch"]);
  expect(problems("wet", "[]")).toEqual(["patch"]);
  expect(asExtension({ seeds: [0] }, { ...EMPTY, seeds: 1, name: "wet", patch: "" }).body).toBeNull();
});

test.each([
  ["/seeds/0", "seeds"],
  ["/variants/wet", "name"],
  ["/variants/wet/norm/num_groups", "patch"],
  ["/axes/~1norm/0", "/norm"],
  ["/axes", null],
  ["", null],
])("the pointer %s is about the field %s", (pointer, field) => {
  expect(fieldOf(pointer)).toBe(field);
});
