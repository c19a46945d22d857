// Finds, makes and changes elements of the page.

export const byId = (id) => document.getElementById(id);

// Make an element with a class and content; markup in the content stays text.
export function element(name, className = "", ...content) {
  const made = document.createElement(name);
  made.className = className;
  made.append(...content);
  return made;
}

// Write a text only if it has changed, since a screen reader reads out every change.
export function say(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

export function swatch(className, colour) {
  const made = element("i", `swatch ${className}`);
  if (colour) made.style.backgroundColor = colour;
  return made;
}
