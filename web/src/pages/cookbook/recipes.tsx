import { addressOf } from "../../address";
import { Copy } from "../../parts/copy";
import { Place } from "../../parts/place";
import type { Study, StudyRecipe } from "./study";

/** The recipes of a study, each with what it adds to the setting. */
export function Recipes({ study }: { study: Study }) {
  return (
    <section class="below">
      <h2>Recipes</h2>
      <div class="cards">
        {study.recipes.map((each) => (
          <Recipe key={each.name} place={`${study.name}/${each.name}`} recipe={each} />
        ))}
      </div>
    </section>
  );
}

function Recipe({ place, recipe }: { place: string; recipe: StudyRecipe }) {
  return (
    <article class="card study-recipe">
      <h3>{recipe.name}</h3>
      <p>
        {recipe.ingredients.length === 0 && <span class="quiet">The setting as it is.</span>}
        {recipe.ingredients.map((each) => (
          <span class="tag" key={each}>
            {each}
          </span>
        ))}
      </p>
      {recipe.builds_on.map((each) => (
        <p class="quiet" key={each.pointer}>
          Begins with a checkpoint of {each.recipe}: train that one first, and put the id of its run at{" "}
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
