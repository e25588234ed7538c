import { useState } from "preact/hooks";
import { denial, RequestFailed } from "../api/http";
import { session, signIn, signOut } from "../api/session";

/** In place of a page whose data need another API key than this browser has. */
export function NotAllowed() {
  const key = presentKey();
  return (
    <section class="empty">
      <h1>{key ? "Your API key does not permit this" : "This needs an API key"}</h1>
      <p>{denial.value?.message}</p>
      {key && (
        <p>
          You are signed in with the key “{key.name}”, which permits: {key.scopes.join(", ")}.
        </p>
      )}
      <SignIn />
      <p>
        Whoever runs this service makes keys with <code>bakehouse keys create</code>.
      </p>
      <button type="button" onClick={() => (denial.value = null)}>
        Try again
      </button>
    </section>
  );
}

/** Returns the key of this browser, unless it was just refused because it has ended. */
function presentKey() {
  return denial.value?.status === 401 ? null : session.value?.key;
}

function SignIn() {
  const [text, setText] = useState("");
  const [failure, setFailure] = useState<string | null>(null);
  const [isSending, setIsSending] = useState(false);
  const submit = async (event: Event) => {
    event.preventDefault();
    setIsSending(true);
    try {
      await signIn(text.trim());
    } catch (error) {
      if (!(error instanceof RequestFailed)) throw error;
      setFailure(error.status === 401 ? "The service does not accept this key." : error.message);
      setIsSending(false);
    }
  };
  return (
    <form class="sign-in" onSubmit={submit} aria-label="Sign in">
      <label>
        API key
        <input
          type="password"
          name="key"
          autocomplete="current-password"
          spellcheck={false}
          required
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
        />
      </label>
      <button type="submit" class="primary" disabled={isSending || !text.trim()}>
        Sign in
      </button>
      {failure && <p role="alert">{failure}</p>}
    </form>
  );
}

/** The key of this browser in the head of every page; nothing if the service asks for none. */
export function Account() {
  const [failure, setFailure] = useState<string | null>(null);
  const key = presentKey();
  if (!key) return null;
  const leave = () =>
    signOut().catch((error: unknown) => {
      if (!(error instanceof RequestFailed)) throw error;
      setFailure(error.message);
    });
  return (
    <span class="account">
      <span class="wide">{key.name}</span>
      <button type="button" class="plain" onClick={leave}>
        Sign out
      </button>
      {failure && <span role="alert">{failure}</span>}
    </span>
  );
}
