/** Takes files that are chosen or dropped. */
import { useLayoutEffect } from "preact/hooks";

type TakeFiles = (files: readonly File[]) => void;

export function FileButton({
  onFiles,
  ...input
}: {
  onFiles: TakeFiles;

  multiple?: boolean;
}) {
  return (
    <label class="button">
      Choose a file
      <input
        {...input}
        type="file"
        class="visually-hidden"
        onChange={(event) => {
          const files = [...(event.currentTarget.files ?? [])];
          // The same file can be chosen again after it was changed.
          event.currentTarget.value = "";
          onFiles(files);
        }}
      />
    </label>
  );
}

/** Takes the files that are dropped anywhere on the page. */
export function useDrop(takeFiles: TakeFiles): void {
  // In place before the page is painted, so that what says "drop a file" does take one.
  useLayoutEffect(() => {
    const allow = (event: DragEvent) => event.preventDefault();
    const drop = (event: DragEvent) => {
      event.preventDefault();
      takeFiles([...(event.dataTransfer?.files ?? [])]);
    };
    addEventListener("dragover", allow);
    addEventListener("drop", drop);
    return () => {
      removeEventListener("dragover", allow);
      removeEventListener("drop", drop);
    };
  }, []);
}
