/** Requests to the API. Every failure is a `RequestFailed` with the sentence to show. */
import { computed, signal } from "@preact/signals-core";
import type { ProblemDocument } from "./types";

export class RequestFailed extends Error {
  constructor(
    message: string,
    /** HTTP status, or 0 if the service did not answer. */
    readonly status: number,
    /** What the service says about it (RFC 9457), if it answered so. */
    readonly problem: ProblemDocument | null = null,
  ) {
    super(message);
  }

  /** Whether the same request would fail again: what is not there, or not allowed, does not come by itself. */
  get isFinal(): boolean {
    return this.status >= 400 && this.status < 500 && this.status !== 429;
  }
}

/** The version of the service in its newest answer, and that of the first, with which this page was loaded. */
const version = signal<string | null>(null);
let firstVersion: string | null = null;
/** The service's version if it is another than when the page was loaded; its page may be another too. */
export const newVersion = computed(() => (version.value === firstVersion ? null : version.value));

/** The refusal of a page's data for lack of a key that allows it; null again as soon as the page tries again. */
export const denial = signal<RequestFailed | null>(null);

type Parameters = Record<string, string | number | boolean | readonly string[] | undefined>;

/** Returns the address of an API call; a list becomes a repeated parameter. */
export function apiAddress(path: string, parameters: Parameters = {}): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value === undefined) continue;
    for (const each of Array.isArray(value) ? value : [value]) query.append(name, String(each));
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

/** Returns the decoded answer of a GET, for example of `v1/runs`. */
export async function get<Answer>(
  path: string,
  parameters: Parameters = {},
  options: RequestInit = {},
): Promise<Answer> {
  const response = await request(apiAddress(path, parameters), options);
  return (await response.json()) as Answer;
}

/** Sends a body as JSON and returns the decoded answer. */
export async function send<Answer>(
  method: "POST" | "PATCH" | "DELETE",
  path: string,
  body?: unknown,
  options: RequestOptions = {},
): Promise<Answer> {
  const response = await (body === undefined
    ? request(path, { ...options, method })
    : post(path, JSON.stringify(body), { ...options, method }));
  return (await response.json()) as Answer;
}

/** Posts a text that is JSON already. */
export function post(path: string, body: string, options: RequestOptions = {}): Promise<Response> {
  const headers = { "Content-Type": "application/json", ...options.headers };
  return request(path, { method: "POST", ...options, headers, body });
}

/** Sends a body that creates something. The key makes a repeated press of the button harmless. */
export function create<Answer>(
  path: string,
  body: unknown,
  { key = randomKey(), ...options }: RequestOptions & { key?: string } = {},
): Promise<Answer> {
  return send("POST", path, body, { ...options, headers: { "Idempotency-Key": key } });
}

/** Returns a key that no other request has. `crypto.randomUUID` exists only on pages over HTTPS and on localhost. */
export function randomKey(): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (each) => each.toString(36)).join("-");
}

/** Almost no answer takes longer, so that nothing waits for ever. */
const MAX_WAIT_MS = 30_000;

/** What `fetch` takes, and how long to wait for an answer that may take longer than others. */
export interface RequestOptions extends RequestInit {
  maxWaitMs?: number;
}

/** Fetches an address of the API; raises RequestFailed unless the answer is a success. */
export async function request(
  address: string,
  { maxWaitMs = MAX_WAIT_MS, ...options }: RequestOptions = {},
): Promise<Response> {
  let response: Response;
  const timeout = AbortSignal.timeout(maxWaitMs);
  const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout;
  try {
    response = await fetch(address, { ...options, signal });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new RequestFailed("The service does not answer. Is `bakehouse up` running?", 0);
  }
  noteVersion(response.headers.get("Bakehouse-Version"));
  if (response.ok) return response;
  const problem = await readProblem(response);
  const message = problem?.detail ?? `The service answered ${response.status}.`;
  const failure = new RequestFailed(message, response.status, problem);
  const isRead = (options.method ?? "GET") === "GET";
  if (isRead && (failure.status === 401 || failure.status === 403)) denial.value = failure;
  throw failure;
}

/** A proxy that answers in the place of the service names no version. */
function noteVersion(found: string | null): void {
  if (found === null) return;
  firstVersion ??= found;
  version.value = found;
}

async function readProblem(response: Response): Promise<ProblemDocument | null> {
  const isProblem = response.headers.get("Content-Type")?.startsWith("application/problem+json");
  return isProblem ? ((await response.json()) as ProblemDocument) : null;
}
