// Starts every behaviour once, and again on what htmx puts into the page. Each module is idempotent per element.
import { startBell } from "./bell.js";
import { startCopy } from "./copy.js";
import { startDialogs } from "./dialog.js";
import { startMenus } from "./menu.js";
import { startSearchShortcut } from "./search.js";
import { startSettingsNav } from "./settings_nav.js";
import { startTabs } from "./tabs.js";
import { startTheme } from "./theme.js";
import { startTimes } from "./time.js";
import { startToc } from "./toc.js";
import { startHtmx } from "./requests.js";
import { startAvatarPreview } from "./avatar.js";

function startIn(root) {
  startCopy(root);
  startTabs(root);
  startTimes(root);
  startToc(root);
  startSettingsNav(root);
  startAvatarPreview(root);
}

startBell();
startMenus();
startDialogs();
startSearchShortcut();
startTheme();
startHtmx(startIn);
startIn(document);
