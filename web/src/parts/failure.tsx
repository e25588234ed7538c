import type { RequestFailed } from "../api/http";
import { Place } from "./place";

/** Says what went wrong with a request, where, and what to do. */
export function Failure({ error, onRetry }: { error: RequestFailed; onRetry?: () => void }) {
  const { problem, status } = error;
  return (
    <div class="notice bad" role="alert">
      <p>
        <strong>{error.message}</strong>
      </p>
      {(status === 401 || status === 403) && <p>This service needs an API key that allows this.</p>}
      {problem?.errors && (
        <ul>
          {problem.errors.map((each) => (
            <li key={`${each.pointer}${each.message}`}>
              {each.pointer ? <Place pointer={each.pointer} /> : <code>{each.parameter}</code>} {each.message}
            </li>
          ))}
        </ul>
      )}
      <p class="quiet">
        {problem && <a href={problem.type.replace(/^\//, "")}>What this means and what to do</a>}
        {problem?.request_id && ` · request ${problem.request_id}`}
        {onRetry && " "}
        {onRetry && (
          <button type="button" onClick={onRetry}>
            Try again
          </button>
        )}
      </p>
    </div>
  );
}
