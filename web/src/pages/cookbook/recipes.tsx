import { useState } from "preact/hooks";
import { addressOf } from "../../address";
import { count } from "../../format";
import { Copy } from "../../parts/copy";
import { Place } from "../../parts/place";
import type { Study, StudyRecipe } from "./study";

/** More recipes are shown when a reader asks for them. */
const MOST_RECIPES = 12;

/** The recipes of a study, each with what the others do not all have. */
export function Recipes({ study }: { study: Study }) {
  const [isAll, setAll] = useState(false);
  const { recipes } = study;
  const shown = isAll ? recipes : recipes.slice(0, MOST_RECIPES);
  return (
    <section class="below">
      <h2>Recipes</h2>
      <div class="cards">
        {shown.map((each) => (
          <Recipe key={each.name} place={`${study.name}/${each.name}`} recipe={each} />
        ))}
      </div>
      {shown.length < recipes.length && (
        <p>
          <button type="button" onClick={() => setAll(true)}>
            Show all {count(recipes.length, "recipe")}
          </button>
        </p>
      )}
    </section>
  );
}

function Recipe({ place, recipe }: { place: string; recipe: StudyRecipe }) {
  return (
    <article class="card study-recipe">
      <h3>
        <bdi>{recipe.arm ?? recipe.name}</bdi>
      </h3>
      <p>
        {recipe.ingredients.length === 0 && <span class="quiet">None of what the others have.</span>}
        {recipe.ingredients.map((each) => (
          <span class="tag" key={each}>
            {each}
          </span>
        ))}
      </p>
      {recipe.builds_on.map((each) => (
        <p class="quiet" key={each.pointer}>
          Needs a run of {each.recipe}: train that one first, and put its id at{" "}
          <Place pointer={each.pointer} />.
        </p>
      ))}
      <p>
        <a class="button" href={addressOf({ page: "new", cookbook: place })}>
          Use it<span class="visually-hidden">: {recipe.name}</span>
        </a>
      </p>
      <Copy text={`bakehouse new ${place}`} />
    </article>
  );
}
