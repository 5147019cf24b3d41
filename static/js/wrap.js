// Shell lines break between words only: a browser would otherwise break after the hyphens of --option.
// The text stays character for character the same; only elements are put around its words.
export function wrap(root = document) {
  for (const segment of root.querySelectorAll(".cmd__line > .seg")) {
    if (segment.firstElementChild) continue;
    const parts = segment.textContent.match(/\s+|\S+\s*/gu) ?? [];
    segment.replaceChildren(
      ...parts.map((part) => {
        if (/^\s/u.test(part)) return document.createTextNode(part);
        const token = document.createElement("span");
        token.className = "tok";
        token.textContent = part;
        return token;
      }),
    );
  }
}

export const start = () => wrap();
