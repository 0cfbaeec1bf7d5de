/*
 * Elements of the page. Names and messages come from users and providers: they become text nodes and attributes that
 * run nothing, never HTML.
 */

const svgTags = new Set(["svg", "path", "line"]);

/** An element with these attributes and children (elements or text). */
export function make(tag, attributes = {}, ...children) {
  const element = svgTags.has(tag)
    ? document.createElementNS("http://www.w3.org/2000/svg", tag)
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) set(element, name, value);
  element.append(...children);
  return element;
}

/** Sets an attribute; undefined and false remove it. Says nothing to the browser when nothing changes. */
export function set(element, name, value) {
  if (value === undefined || value === false) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
    return;
  }
  const text = value === true ? "" : String(value);
  if (element.getAttribute(name) !== text) element.setAttribute(name, text);
}

export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Shows a text, or hides the element when there is none. */
export function sayOrHide(element, text) {
  say(element, text ?? "");
  element.hidden = text === undefined || text === "";
}

export const byId = (id) => document.getElementById(id);

/**
 * Keeps one entry for each item of a list, in the order of the items.
 * @param create makes the entry of a key: `{ element, update(item) }`.
 */
export function keepList(parent, keyOf, create) {
  const entries = new Map();
  return (items) => {
    const focused = document.activeElement;
    const gone = new Set(entries.keys());
    let place = parent.tagName === "TABLE" ? parent.tHead.nextElementSibling : parent.firstElementChild;
    for (const item of items) {
      const key = keyOf(item);
      gone.delete(key);
      let entry = entries.get(key);
      if (entry === undefined) {
        entry = create(key);
        entries.set(key, entry);
      }
      entry.update(item);
      if (entry.element === place) place = place.nextElementSibling;
      else parent.insertBefore(entry.element, place);
    }
    for (const key of gone) {
      entries.get(key).element.remove();
      entries.delete(key);
    }
    // Who stands on a button of a row that moved goes on standing there.
    if (focused !== document.activeElement && focused?.isConnected) focused.focus({ preventScroll: true });
  };
}
