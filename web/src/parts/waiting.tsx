import type { RequestFailed } from "../api/http";
import { Failure } from "./failure";
import { Skeleton } from "./skeleton";

/** What is shown in the place of an answer: why there is none, or that it is being loaded. */
export function Waiting(props: {
  answer: unknown;
  failure: RequestFailed | null;
  load?: () => void;
  lines: number;
  label: string;
}) {
  const { answer, failure, load, lines, label } = props;
  if (failure) return <Failure error={failure} {...(load && { onRetry: load })} />;
  return answer ? null : <Skeleton lines={lines} label={label} />;
}
