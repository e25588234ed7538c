import { useEffect } from "preact/hooks";
import { addressOf, followLinks, navigations, pageName } from "./address";
import { denial, newVersion } from "./api/http";
import { loadSession } from "./api/session";
import { connection } from "./api/stream";
import { focusHeading, keepFocusAtHeading } from "./focus";
import { LazyPage } from "./lazy_page";
import { PAGES, type Page } from "./pages/pages";
import { Boundary } from "./parts/boundary";
import { Account, NotAllowed } from "./parts/sign_in";
import { title } from "./title";

const CONNECTIONS = {
  idle: "",
  connecting: "Connecting …",
  live: "Live",
  cut: "Connection lost",
  hidden: "",
} as const;

export function App() {
  const page = PAGES.find((each) => each.name === pageName.value);
  useEffect(followLinks, []);
  useEffect(() => void loadSession(), []);
  useTitleOfTab(page);
  useFocusAfterNavigation();
  return (
    <>
      <Top page={page} />
      <main id="content" tabIndex={-1}>
        <NewVersion />
        {/* Another page is another boundary, so that a page with a defect can be left. */}
        <Boundary key={pageName.value}>
          {denial.value ? <NotAllowed /> : page ? <LazyPage page={page} /> : <NoSuchPage />}
        </Boundary>
      </main>
    </>
  );
}

function useTitleOfTab(page: Page | undefined): void {
  const text = title.value ?? page?.title;
  useEffect(() => {
    document.title = text ? `${text} · Bakehouse` : "Bakehouse";
  }, [text]);
}

function useFocusAfterNavigation(): void {
  const count = navigations.value;
  useEffect(keepFocusAtHeading, []);
  useEffect(() => {
    if (count === 0) return;
    denial.value = null;
    focusHeading();
  }, [count]);
}

function Top({ page }: { page: Page | undefined }) {
  const links = (place: Page["menu"]) =>
    PAGES.filter(({ menu }) => menu === place).map((each) => (
      <a
        key={each.name}
        class={place === "button" ? "button primary" : undefined}
        href={addressOf({ page: each.name })}
        aria-current={each === page ? "page" : undefined}
      >
        {each.title}
      </a>
    ));
  return (
    <header class="top">
      <a class="brand" href={addressOf({})}>
        Bakehouse
      </a>
      <nav aria-label="Pages">
        <div class="links">{links("link")}</div>
        {links("button")}
      </nav>
      <span class={`connection ${connection.value}`} role="status">
        {CONNECTIONS[connection.value]}
        {connection.value === "cut" && <span class="wide">; trying again</span>}
      </span>
      <Account />
    </header>
  );
}

function NewVersion() {
  if (newVersion.value === null) return null;
  return (
    <div class="notice warning" role="status">
      <p>
        The service is now Bakehouse {newVersion.value}; this page was loaded from another version.{" "}
        <button type="button" onClick={() => location.reload()}>
          Reload
        </button>
      </p>
    </div>
  );
}

function NoSuchPage() {
  return (
    <section class="empty">
      <h1>There is no page “{pageName.value}”</h1>
      <p>
        <a href={addressOf({})}>Go to the runs</a>
      </p>
    </section>
  );
}
