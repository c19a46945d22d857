// Parts of the page, found, made and written.

export const byId = (id) => document.getElementById(id);

// A new element with a class and content; markup in the content stays text.
export function element(name, className = "", ...content) {
  const made = document.createElement(name);
  made.className = className;
  made.append(...content);
  return made;
}

// Write only what changed: a screen reader reads what is written.
export function say(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

export function swatch(className, colour) {
  const made = element("i", `swatch ${className}`);
  if (colour) made.style.backgroundColor = colour;
  return made;
}
