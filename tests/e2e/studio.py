"""Look at a page as its readers do: wide and narrow, light and dark, with axe, and without noise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe

WIDTHS = (1280, 390)
HEIGHT = 900
THEMES = ("light", "dark")
# Opposite corners: each width and each theme once.
AXE_ON = ("1280-light", "390-dark")
# Without preload: for @import it would put <style> into the page, which CSP refuses and reports.
OPTIONS = {"resultTypes": ["violations"], "preload": False}
GRAVE = ("serious", "critical")
LISTEN = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`));
"""
OVERFLOW = """() => {
  const wide = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= wide) return "";
  const out = [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > wide + 1);
  return out.slice(-3).map((e) => `${e.tagName}.${e.className}`).join(", ") || "the page";
}"""


class Studio:
    """Collects what is wrong over all the pages of a test."""

    def __init__(self, folder: Path, *, every: bool = False) -> None:
        self.folder, self.every = folder, every
        self.faults: list[str] = []
        self.axe = Axe()

    def watch(self, page: Any) -> Any:
        """Listen to a page from its beginning."""
        page.add_init_script(LISTEN)
        page.on("console", lambda message: self._heard(page, message))
        page.on("pageerror", lambda error: self.faults.append(f"{page.url}: {error}"))
        return page

    def _heard(self, page: Any, message: Any) -> None:
        if message.type not in {"error", "warning"}:
            return
        place = message.location.get("url", "")
        # The answer 401, 403, 404 or 422 of the page itself is what the test asked for.
        if message.text.startswith("Failed to load resource: the server responded") and place == page.url:
            return
        self.faults.append(f"{page.url}: console {message.type}: {message.text} ({place})")

    def shoot(self, page: Any, name: str, *, full: bool = True, within: str | None = None) -> None:
        """Check and photograph the page in each width and theme; `within` limits axe to what is new in it."""
        before = page.viewport_size
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": HEIGHT})
            for theme in THEMES:
                page.emulate_media(color_scheme=theme, reduced_motion="reduce")
                label = f"{name}-{width}-{theme}"
                if self.every or label.endswith(AXE_ON):
                    page.screenshot(path=self.folder / f"{label}.png", full_page=full, animations="disabled")
                self._check(page, label, within)
        self.faults += [f"{name}: CSP {text}" for text in page.evaluate("window.violations")]
        page.emulate_media(color_scheme="light")
        page.set_viewport_size(before)

    def _check(self, page: Any, label: str, within: str | None) -> None:
        wide = page.evaluate(OVERFLOW)
        if wide:
            self.faults.append(f"{label}: wider than the window: {wide}")
        if not label.endswith(AXE_ON):
            return
        # An open dialog makes everything else inert, and the page behind it has its own picture.
        dialog = "dialog:modal" if page.locator("dialog:modal").count() else None
        found = self.axe.run(page, context=within or dialog, options=OPTIONS).response
        for item in found["violations"]:
            if item["impact"] in GRAVE:
                where = "; ".join(node["html"][:160] for node in item["nodes"][:3])
                self.faults.append(f"{label}: axe {item['id']} ({item['impact']}): {where}")

    def verdict(self) -> str:
        """Return everything that is wrong, one fault a line; empty when nothing is."""
        return "\n".join(dict.fromkeys(self.faults))
