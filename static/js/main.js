import * as appearance from "./appearance.js";
import * as cards from "./cards.js";
import * as copy from "./copy.js";
import * as countdown from "./countdown.js";
import * as decide from "./decide.js";
import * as dialog from "./dialog.js";
import * as keyboard from "./keyboard.js";
import * as live from "./live.js";
import * as menu from "./menu.js";
import * as notify from "./notify.js";
import * as timezone from "./timezone.js";
import * as wrap from "./wrap.js";

// live before countdown: a card that is already over must find its listener.
for (const part of [appearance, menu, dialog, copy, timezone, wrap, notify, cards, decide, keyboard, live, countdown]) part.start();
