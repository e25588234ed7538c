import { useEffect, useRef } from "preact/hooks";
import { addressOf, followLinks, navigations, pageName } from "./address";
import { denial, newVersion } from "./api/http";
import { connection } from "./api/stream";
import { PAGES, type Page } from "./pages/pages";
import { Boundary } from "./parts/boundary";
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
  useTitleOfTab(page);
  const main = useFocusAfterNavigation();
  return (
    <>
      <a class="skip" href="#content">
        Skip to the content
      </a>
      <Top page={page} />
      <main id="content" ref={main} tabIndex={-1}>
        <NewVersion />
        {/* Another page is another boundary, so that a page with a defect can be left. */}
        <Boundary key={pageName.value}>
          {denial.value ? <NotAllowed /> : page ? <page.View /> : <NoSuchPage />}
        </Boundary>
      </main>
      <footer class="bottom">
        <a href="docs">API documentation</a>
        <a href="problems">What a problem means</a>
      </footer>
    </>
  );
}

function useTitleOfTab(page: Page | undefined): void {
  const text = title.value ?? page?.title;
  useEffect(() => {
    document.title = text ? `${text} · Bakehouse` : "Bakehouse";
  }, [text]);
}

/** Moves the focus to the heading of a page that was navigated to, so that screen readers read it. */
function useFocusAfterNavigation() {
  const main = useRef<HTMLElement>(null);
  const count = navigations.value;
  useEffect(() => {
    if (count === 0) return;
    denial.value = null;
    const heading = main.current?.querySelector("h1");
    if (heading) heading.tabIndex = -1;
    (heading ?? main.current)?.focus({ preventScroll: true });
  }, [count]);
  return main;
}

function Top({ page }: { page: Page | undefined }) {
  const listed = PAGES.filter((each) => each.inMenu);
  return (
    <header class="top">
      <a class="brand" href={addressOf({})}>
        <Logo /> Bakehouse
      </a>
      <nav aria-label="Pages">
        <div class="links">
          {listed
            .filter((each) => !each.isAction)
            .map((each) => (
              <MenuLink key={each.name} to={each} isShown={each === page} />
            ))}
        </div>
        {listed
          .filter((each) => each.isAction)
          .map((each) => (
            <MenuLink key={each.name} to={each} isShown={each === page} />
          ))}
      </nav>
      <span class={`connection ${connection.value}`} role="status">
        {CONNECTIONS[connection.value]}
        {connection.value === "cut" && <span class="wide">; trying again</span>}
      </span>
    </header>
  );
}

function MenuLink({ to, isShown }: { to: Page; isShown: boolean }) {
  return (
    <a
      class={to.isAction ? "button primary" : undefined}
      href={addressOf({ page: to.name })}
      aria-current={isShown ? "page" : undefined}
    >
      {to.title}
    </a>
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

function NotAllowed() {
  return (
    <section class="empty">
      <h1>This needs an API key</h1>
      <p>{denial.value?.message}</p>
      <p>Ask whoever runs this service for a key that may read this.</p>
      <button type="button" onClick={() => (denial.value = null)}>
        Try again
      </button>
    </section>
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

function Logo() {
  return (
    <svg viewBox="0 0 32 32" width="24" height="24" aria-hidden="true">
      <rect width="32" height="32" rx="7" class="logo-ground" />
      <path d="M6 22c4-1 5-12 9-12s4 7 11 7" class="logo-line" />
      <circle cx="15.5" cy="10" r="3" class="logo-dot" />
    </svg>
  );
}
