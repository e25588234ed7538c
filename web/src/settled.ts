import { useEffect, useState } from "preact/hooks";

/** Changes that follow each other within this time are one. */
const PAUSE_MS = 200;

/** Returns a text as it was when it last stayed the same for a moment. */
export function useSettled(text: string): string {
  const [settled, setSettled] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(text), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return settled;
}
