// The sign-in family: no live parts.
import * as appearance from "./appearance.js";
import * as copy from "./copy.js";
import * as timezone from "./timezone.js";

for (const part of [appearance, copy, timezone]) part.start();
