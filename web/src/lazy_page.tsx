import type { ComponentType } from "preact";
import { useLoaded } from "./api/answer";
import { RequestFailed, request } from "./api/http";
import type { Page } from "./pages/pages";
import { Skeleton } from "./parts/skeleton";

/** The pages whose code is loaded, by their names: shown again, such a page is there at once. */
const views = new Map<string, ComponentType>();

/** A page, as soon as its code is loaded; until then, its title. */
export function LazyPage({ page }: { page: Page }) {
  const { answer, failure, load } = useLoaded(page.name, () => loadView(page));
  const View = views.get(page.name) ?? answer;
  if (View) return <View />;
  return (
    <>
      <h1>{page.title}</h1>
      {failure ? (
        <div class="notice bad" role="alert">
          <p>
            <strong>This part of Bakehouse could not be loaded.</strong> {failure.message}
          </p>
          <p class="buttons">
            <button type="button" class="primary" onClick={() => location.reload()}>
              Reload
            </button>
            <button type="button" onClick={load}>
              Try again
            </button>
          </p>
        </div>
      ) : (
        <Skeleton lines={12} />
      )}
    </>
  );
}

async function loadView(page: Page): Promise<ComponentType> {
  try {
    const View = await page.load();
    views.set(page.name, View);
    return View;
  } catch {
    // Raises an error with the reason if the service does not answer; then it is worth trying again.
    await request(".");
    throw new RequestFailed("The service was replaced by another version since this page was opened.", 404);
  }
}
