import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

/** Set before the page's own scripts run: they want the board's path as the browser sees it, which a proxy may change. */
export const baseScript = `const base = document.querySelector("base");
base.setAttribute("href", new URL(base.getAttribute("href"), location.href).pathname);
`;

const uiConfig = {
  boardTitle: "promptfleet",
  favIcon: { default: "static/images/logo.svg", alternative: "static/favicon-32x32.png" },
  hideDocsLink: true,
  showWorkers: false,
  miscLinks: [
    { text: "Dashboard", url: "../" },
    { text: "Login", url: "../login" },
  ],
};

/**
 * Bull Board's page without what it would fetch from elsewhere (its fonts), for any depth of path below the board.
 * @throws when a newer Bull Board has a page that this does not know.
 */
export function createBoardPage(): (path: string) => string {
  const folder = dirname(createRequire(import.meta.url).resolve("@bull-board/ui/package.json"));
  const template = readFileSync(join(folder, "dist", "index.ejs"), "utf8")
    .replace(/<link[^>]*\bhref="https?:[^>]*>/g, "")
    .replace("<%= title %>", uiConfig.boardTitle)
    .replace("<%= favIconDefault %>", uiConfig.favIcon.default)
    .replace("<%= favIconAlternative %>", uiConfig.favIcon.alternative)
    .replace("<%- uiConfig %>", JSON.stringify(uiConfig))
    .replace(/<base href="<%= basePath %>"[^>]*>/, (base) => `${base}<script src="base.js"></script>`);
  const [before, after, ...rest] = template.split("<%= basePath %>");
  if (before === undefined || after === undefined || rest.length > 0 || /<%|https?:\/\//.test(before + after)) {
    throw new Error("this version of Bull Board has a page that promptfleet cannot serve by itself");
  }
  return (path) => `${before}${"../".repeat(path.split("/").length - 2) || "./"}${after}`;
}
