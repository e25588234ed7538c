import { defineConfig } from "vite";

export default defineConfig({
  // Relative, so that the page also works behind a proxy that adds a prefix to the path.
  base: "./",
  build: {
    assetsDir: "page",
    // An inlined asset would be a `data:` address, which the content security policy forbids for fonts and scripts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // One sheet for all pages, so that no page is drawn before its styles are there.
    cssCodeSplit: false,
    rolldownOptions: {
      output: {
        // What pages share is in the file that is loaded first, so that a page needs only its own besides.
        codeSplitting: {
          groups: [{ name: "shared", test: (id) => !/\/src\/pages\/\w+\//.test(id) }],
        },
      },
    },
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
