import { addressOf } from "../../address";
import type { DatasetListing } from "../../api/types";
import { formatBytes } from "../../format";
import type { News } from "./live";
import { Remove } from "./remove";
import { referenceOf } from "./words";

const UNUSABLE = "cannot be used";
/** What is said of each status, and of each stage of the inspection. */
const STATES: Record<string, string> = {
  broken: UNUSABLE,
  refused: UNUSABLE,
  absent: "is not on this machine",
  packing: "is being packed for training; recipes can name it already",
  uploading: "is not complete: choose its file again to send the rest",
  waiting: "waits for a worker",
  fetching: "is being fetched",
  joining: "is being joined",
  unpacking: "is being unpacked",
  reading: "is being read",
};

/** Why a data set cannot be used, or not yet. */
export function State(props: { listing: DatasetListing; news: News | undefined; onRetry: () => void }) {
  const { listing, onRetry } = props;
  const { status, problem, place, upload } = listing;
  const name = referenceOf(listing);
  // An event of an earlier state says nothing of this one.
  const news = props.news?.status === status ? props.news : undefined;
  const inspection = { ...listing.inspection, ...news };
  const isUploading = status === "uploading";
  const isInspecting = status === "inspecting";
  const where = Object.entries(place ?? {}).filter(([, value]) => value !== null);
  return (
    <div class={`notice ${problem && status !== "absent" ? "bad" : ""}`}>
      <p role="status">
        <strong>
          <a href={addressOf({ page: "data", id: name })}>{name}</a>{" "}
          {STATES[isInspecting ? (inspection.stage ?? "waiting") : status]}
        </strong>
      </p>
      {problem && <p>{problem}</p>}
      {where.length > 0 && <p class="quiet">{where.map((each) => each.join(" ")).join(" · ")}</p>}
      {(isUploading || isInspecting) && (
        <Progress
          value={isUploading ? (news ?? upload)?.received_bytes : inspection.done_bytes}
          max={isUploading ? upload?.bytes : inspection.total_bytes}
        />
      )}
      {upload && !isInspecting ? (
        <Remove listing={listing} onDone={onRetry} />
      ) : (
        <button type="button" onClick={onRetry}>
          Look again
        </button>
      )}
    </div>
  );
}

/** How much is done, as a bar and in words; of an unknown amount a bar that only moves. */
export function Progress(props: { value?: number | undefined; max?: number | null | undefined }) {
  const { value, max } = props;
  const bytes = max && value !== undefined ? { value, max } : {};
  return (
    <p>
      <progress {...bytes} aria-label="Progress" />
      {bytes.max && ` ${formatBytes(value ?? 0)} of ${formatBytes(bytes.max)}`}
    </p>
  );
}
