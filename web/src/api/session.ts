/** Whose API key this browser has. The key itself is sent once; then a cookie stands for it, which scripts cannot read. */
import { signal } from "@preact/signals-core";
import { get, RequestFailed, send } from "./http";
import type { Session } from "./types";

const ADDRESS = "v1/session";

/** Null until the service has said it. */
export const session = signal<Session | null>(null);

export async function loadSession(): Promise<void> {
  try {
    session.value = await get<Session>(ADDRESS);
  } catch (error) {
    // What the page shows fails for the same reason, and says it.
    if (!(error instanceof RequestFailed)) throw error;
  }
}

/** Raises RequestFailed if the service does not accept the key. The page then begins anew, with the key. */
export async function signIn(key: string): Promise<void> {
  await send<Session>("POST", ADDRESS, { key });
  location.reload();
}

/** What other pages of this browser have loaded stays there, but nothing new comes. */
export async function signOut(): Promise<void> {
  await send<Session>("DELETE", ADDRESS);
  location.reload();
}
