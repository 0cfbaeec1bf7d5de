import type { Caller } from "./access.ts";

/** The page at which browsers give a token, without a script. */
export function loginPage(next: string, refusal?: string): string {
  return page(`
    <form method="post" action="login">
      <label for="token">Token</label>
      <input id="token" name="token" type="password" required autofocus autocomplete="current-password"${refusal === undefined ? "" : ' aria-describedby="refusal" aria-invalid="true"'}>
      ${refusal === undefined ? "" : `<p id="refusal" role="alert">${escapeHtml(refusal)}</p>`}
      <input name="next" type="hidden" value="${escapeHtml(next)}">
      <button>Log in</button>
    </form>
    <p class="hint">The value of <code>PROMPTFLEET_TOKEN</code>, or one that you were given.</p>`);
}

/** What somebody sees there who is logged in. */
export function loggedInPage({ name, role }: Caller): string {
  return page(`
    <p>You are logged in as <b>${escapeHtml(name)}</b> with the role <b>${role}</b>.</p>
    <form method="post" action="logout">
      <button>Log out</button>
    </form>
    <p class="hint"><a href="./">Dashboard</a> · <a href="queues/">Queues</a></p>`);
}

function page(content: string): string {
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>promptfleet</title>
    <link rel="icon" href="data:,">
    <link rel="stylesheet" href="login.css">
  </head>
  <body>
    <main>
    <h1>promptfleet</h1>${content}
    </main>
  </body>
</html>
`;
}

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

export const loginStyle = `:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: light-dark(#f4f5f7, #14171c); }
main { box-sizing: border-box; width: min(24rem, 100vw - 2rem); padding: 2rem; border-radius: 12px;
  background: light-dark(#fff, #1d2128); color: light-dark(#1c2330, #e4e8ef); box-shadow: 0 1px 12px #0002; }
h1 { margin: 0 0 1.25rem; font-size: 1.35rem; }
label { display: block; margin-bottom: .35rem; font-weight: 600; }
input, button { box-sizing: border-box; width: 100%; padding: .65rem .8rem; font: inherit; border-radius: 8px; }
input { border: 1px solid light-dark(#b9c0cc, #49515f); background: light-dark(#fff, #14171c); color: inherit; }
button { margin-top: 1rem; border: 0; background: #1f5fd6; color: #fff; font-weight: 600; cursor: pointer; }
:focus-visible { outline: 3px solid #6ea0ff; outline-offset: 2px; }
[role="alert"] { margin: .6rem 0 0; color: light-dark(#b3261e, #ff8a80); }
.hint { margin: 1rem 0 0; font-size: .875rem; color: light-dark(#5a6472, #9aa4b2); }
a { color: light-dark(#1f5fd6, #8ab4ff); }
`;
