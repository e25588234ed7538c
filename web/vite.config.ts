import { minify } from "terser";
import { defineConfig, type Plugin } from "vite";

/**
 * The page changes no built-in object and reads no `arguments`, so that these shorter forms mean the same. Fields whose
 * names begin like `isOpen` or `hasMore` are the page's own: the API writes its names with underscores.
 */
const SHORT = {
  ecma: 2020,
  module: true,
  mangle: { properties: { regex: /^(is|has)[A-Z]/ } },
  compress: {
    passes: 4,
    keep_fargs: false,
    lhs_constants: false,
    unsafe: true,
    unsafe_arrows: true,
    unsafe_methods: true,
  },
} as const;

/** Shortens what Vite's own minifier has left: one byte in a hundred after compression. */
const shorten: Plugin = {
  name: "shorten",
  apply: "build",
  async generateBundle(_, bundle) {
    for (const file of Object.values(bundle))
      if (file.type === "chunk") file.code = (await minify(file.code, SHORT)).code ?? "";
  },
};

export default defineConfig({
  // Relative, so that the page also works behind a proxy that adds a prefix to the path.
  base: "./",
  plugins: [shorten],
  build: {
    assetsDir: "page",
    // An inlined asset would be a `data:` address, which the content security policy forbids for fonts and scripts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: "es2022",
  },
  // Calls of `h` are shorter than those of the automatic runtime.
  oxc: {
    jsx: { runtime: "classic", pragma: "h", pragmaFrag: "Fragment" },
    jsxInject: 'import { h, Fragment } from "preact"',
  },
  // `npm run dev` shows changes of the page at once, with the data of a service that runs elsewhere.
  server: { proxy: { "/v1": process.env.BAKEHOUSE_URL ?? "http://127.0.0.1:8000" } },
});
