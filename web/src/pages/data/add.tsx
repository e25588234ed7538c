import { useEffect, useRef } from "preact/hooks";
import { Terminal } from "../../parts/empty";
import { Failure } from "../../parts/failure";
import { FileButton, useDrop } from "../../parts/files";
import { Progress } from "./state";
import { Upload } from "./upload";

/** Takes files, and says what they may be. */
export function Add() {
  const take = (files: readonly File[]) => {
    for (const file of files) new Upload(file);
  };
  useDrop(take);
  return (
    <section class="card drop" aria-label="Your own data">
      <h2>Your own data</h2>
      <p>
        Drop a file anywhere on this page: a table (CSV, Parquet, JSON lines), arrays <code>x</code> and{" "}
        <code>y</code> (.npz), or pictures (a .zip or .tar with a folder for each class).
      </p>
      <p>
        <FileButton multiple onFiles={take} />
      </p>
      <Terminal command="bakehouse data add FILE" />
    </section>
  );
}

/** A file that was chosen: its name as a data set, then how much of it is sent. */
export function UploadRow({ upload }: { upload: Upload }) {
  const { file, name, sent, failure } = upload;
  const isSending = sent.value !== null;
  const next = useRef<HTMLInputElement & HTMLButtonElement>(null);
  useEffect(() => next.current?.focus(), [isSending]);
  return (
    <form
      class="notice"
      aria-label={file.name}
      onSubmit={(event) => {
        event.preventDefault();
        void upload.start();
      }}
    >
      <p>
        <strong>{file.name}</strong>
      </p>
      {failure.value && <Failure error={failure.value} />}
      {isSending ? (
        <Progress value={sent.value ?? 0} max={file.size} />
      ) : (
        <p>
          <label>
            Name in recipes{" "}
            <input
              ref={next}
              value={name.value}
              onInput={(event) => (name.value = event.currentTarget.value)}
            />
          </label>
        </p>
      )}
      <p class="buttons">
        {!isSending && (
          <button type="submit" class="primary">
            Upload
          </button>
        )}
        <button ref={isSending ? next : null} type="button" onClick={() => upload.cancel()}>
          Cancel
        </button>
      </p>
    </form>
  );
}
