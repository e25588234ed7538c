import { expect, test } from "vitest";
import answerText from "../../../ingredients.json?raw";
import { memoryStore, type Store } from "../../store";
import { BLANK, Draft, readDraft, readRecipe } from "./draft";
import { type Ingredients, recipeShape } from "./shapes";

const SHAPE = recipeShape(JSON.parse(answerText) as Ingredients);

const FORBIDDEN: Store = { read: () => null, write: () => false };

test("a draft comes back with the place it came from", () => {
  const store = memoryStore();
  const draft = new Draft(SHAPE, BLANK, "from=run_1");
  draft.set(["epochs"], 7);
  draft.keep(store);
  expect(readDraft(store)).toEqual({
    origin: "from=run_1",
    recipe: { ...(BLANK as object), epochs: 7 },
  });
});

test("a storage that is forbidden or unreadable leaves the draft in the tab alone", () => {
  const draft = new Draft(SHAPE, BLANK, "");
  draft.keep(FORBIDDEN);
  expect(draft.isKept.value).toBe(false);
  expect(readDraft(FORBIDDEN)).toBeNull();
  for (const text of ["{", "3", '{"version": 0, "recipe": {}}', '{"version": 1, "recipe": []}']) {
    expect(readDraft(memoryStore(text))).toBeNull();
  }
});

test("letters typed into one field are undone together, other changes one by one", () => {
  const draft = new Draft(SHAPE, BLANK, "");
  for (const name of ["b", "br", "bread"]) draft.set(["name"], name);
  draft.replace({ dataset: "iris", architecture: "linear" }, "import");
  draft.set(["epochs"], 3);
  draft.undo();
  draft.undo();
  expect(draft.recipe.value).toEqual({ name: "bread", dataset: "digits", architecture: "mlp" });
  draft.undo();
  expect(draft.recipe.value).toEqual(BLANK);
  draft.undo();
  expect(draft.recipe.value).toEqual(BLANK);
});

test.each([
  ["[1]", "A recipe is a JSON object"],
  ["{dataset: 1}", "This is not JSON"],
  ["", "This is not JSON"],
])("an import of %s says what is wrong", (text, message) => {
  expect(() => readRecipe(text)).toThrow(message);
});
