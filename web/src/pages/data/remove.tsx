import { useState } from "preact/hooks";
import { type RequestFailed, send } from "../../api/http";
import type { DatasetListing } from "../../api/types";
import { Confirm } from "../../parts/confirm";
import { Failure } from "../../parts/failure";
import { referenceOf } from "./words";

/** Deletes an uploaded data set; one that recipes can name only after a question. */
export function Remove({ listing, onDone }: { listing: DatasetListing; onDone: () => void }) {
  const [isAsking, setAsking] = useState(false);
  const [failure, setFailure] = useState<RequestFailed | null>(null);
  const name = referenceOf(listing);
  const remove = () => void send("DELETE", `v1/datasets/${listing.id}`).catch(setFailure).then(onDone);
  return (
    <>
      {failure && <Failure error={failure} />}
      <button type="button" onClick={() => (listing.card ? setAsking(true) : remove())}>
        Delete {name}
      </button>
      {isAsking && (
        <Confirm
          title={`Delete ${name}?`}
          action="Delete it"
          keep="Keep it"
          onAnswer={(isConfirmed) => {
            setAsking(false);
            if (isConfirmed) remove();
          }}
        >
          Its files go for good. Runs that were trained on it stay as they are.
        </Confirm>
      )}
    </>
  );
}
