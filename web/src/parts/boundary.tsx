import { Component, type ComponentChildren } from "preact";

interface State {
  error: Error | null;
}

/** Shows what happened if the page inside throws; the rest of the page stays. */
export class Boundary extends Component<{ children: ComponentChildren }, State> {
  override state: State = { error: null };

  static override getDerivedStateFromError(error: Error): State {
    return { error };
  }

  override render() {
    const { error } = this.state;
    if (!error) return this.props.children;
    return (
      <div class="notice bad" role="alert">
        <h1>This page has a defect</h1>
        <p>It stopped with the error below. Your runs are not affected.</p>
        <pre>
          <code>
            {error.stack?.includes(error.message) ? error.stack : `${error.message}\n${error.stack}`}
          </code>
        </pre>
        <p class="buttons">
          <button type="button" class="primary" onClick={() => location.reload()}>
            Reload
          </button>
          <button type="button" onClick={() => this.setState({ error: null })}>
            Show it again
          </button>
        </p>
      </div>
    );
  }
}
