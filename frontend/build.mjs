// Copies what the pages need from node_modules into static/vendor/ (git-ignored).
// Run `npm ci && npm run build` in this folder once before collectstatic or runserver.
import { copyFile, mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const vendor = join(here, "..", "static", "vendor");

const files = [["htmx.org/dist/htmx.min.js", "htmx.min.js"]];

await mkdir(vendor, { recursive: true });
for (const [from, to] of files) {
  await copyFile(join(here, "node_modules", from), join(vendor, to));
  console.log(`static/vendor/${to}`);
}
