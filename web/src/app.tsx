import { useEffect } from "preact/hooks";
import { addressOf, followLinks, pageName } from "./address";
import { connection } from "./api/stream";
import { PAGES } from "./pages/pages";

const CONNECTIONS = {
  idle: "",
  connecting: "Connecting …",
  live: "Live",
  cut: "Connection lost; trying again",
  hidden: "",
} as const;

export function App() {
  const page = PAGES.find((each) => each.name === pageName.value);
  useEffect(followLinks, []);
  useEffect(() => {
    document.title = page ? `${page.title} · Bakehouse` : "Bakehouse";
  }, [page]);
  return (
    <>
      <a class="skip" href="#content">
        Skip to the content
      </a>
      <header class="top">
        <a class="brand" href={addressOf({})}>
          <Logo /> Bakehouse
        </a>
        <nav aria-label="Pages">
          {PAGES.filter((each) => each.inMenu).map((each) => (
            <a
              key={each.name}
              href={addressOf({ page: each.name })}
              aria-current={each === page ? "page" : undefined}
            >
              {each.title}
            </a>
          ))}
        </nav>
        <span class={`connection ${connection.value}`} role="status">
          {CONNECTIONS[connection.value]}
        </span>
      </header>
      <main id="content" tabIndex={-1}>
        {page ? <page.View /> : <NoSuchPage />}
      </main>
      <footer class="bottom">
        <a href="docs">API documentation</a>
        <a href="problems">What a problem means</a>
      </footer>
    </>
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
